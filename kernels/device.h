// Where and in which number type a model runs.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace slmtune::kernels {

struct DeviceChoice {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // of weights and activations
  std::string line;                   // for people: "CPU, 2 threads, float32"
  std::string processor;              // what sums are rounded by: "AVX512", "NVIDIA H200"
};

// `device`: auto | cpu | cuda | cuda:N; `dtype`: auto | float32 | bfloat16. `cuda` opens
// libslmtune_cuda.so (beside the program) and a GPU (cuda_device.h has the errors); `auto` falls
// back to the CPU and says so in `line`. On the CPU `auto` is bfloat16 where its products are the
// faster ones and the model, `hidden_size` wide (0: not known), is large enough to gain; else
// float32.
DeviceChoice choose_device(const std::string& device, const std::string& dtype,
                           int64_t hidden_size = 0);

// Whether bfloat16 products are faster than those of float32 on this CPU: with a matrix unit (AMX),
// or AVX512-BF16 on one of AMD's.
bool cpu_gains_from_bfloat16();

// Once per process, before the first tensor: keeps freed blocks in the process (page faults cost
// more than the arithmetic, docs/tour.md), one OpenMP pool with the cores this process may use
// (OMP_NUM_THREADS honoured).
void prepare_process();

// Deterministic kernels and one seed for LibTorch's generators.
void seed_everything(uint64_t seed);

}  // namespace slmtune::kernels
