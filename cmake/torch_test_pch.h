// Shared by the tests that use LibTorch.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/torch_pch.h"
