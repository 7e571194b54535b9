// Shared by every target that uses LibTorch: parsing these once instead of per file is most of the build time.
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/autograd.h>

#include "cmake/pch.h"
