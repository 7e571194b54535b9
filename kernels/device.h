// Where and in which number type a model runs.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace slmtune::kernels {

struct DeviceChoice {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // of weights and activations
  std::string line;                   // for people: "CPU, 2 threads, float32 (no bf16 matrix unit)"
};

// `device`: auto | cpu | cuda; `dtype`: auto | float32 | bfloat16. `cuda` opens libslmtune_cuda.so
// (beside the program) and asks for devices through our own checked call. UnavailableError G001
// built without CUDA, G002 no NVIDIA driver, G003 no device; `auto` falls back to the CPU and says
// so in `line`. On the CPU `auto` is bfloat16 only with AMX or AVX512-BF16 *and* training speed
// measured to gain from it; else float32.
DeviceChoice choose_device(const std::string& device, const std::string& dtype);

// Once per process, before the first tensor: keeps freed blocks in the process (page faults cost
// more than the arithmetic, docs/tour.md), one OpenMP pool with the cores this process may use
// (OMP_NUM_THREADS honoured).
void prepare_process();

// Deterministic kernels and one seed for LibTorch's generators.
void seed_everything(uint64_t seed);

}  // namespace slmtune::kernels
