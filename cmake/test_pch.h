// Shared by the tests that do without LibTorch.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/pch.h"
