// The GPU's RMSNorm, executed on the CPU by rms_norm_cuda_test.cpp.
#include "tests/kernels/block_emulator.h"

#include "kernels/rms_norm/rms_norm.cu"
