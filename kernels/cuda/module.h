// What the program and libslmtune_cuda.so agree on: one table of C functions, no LibTorch type and
// no C++ class crosses it. The module is opened at run time (cuda_module.h), so the program starts
// and runs on machines without a GPU.
//
// All pointers are device memory unless said otherwise. Kernels run on LibTorch's current stream of
// `rows.device` and are not waited for. A function returns 0, or the cudaError_t that the launch
// gave (check_cuda turns it into an error).
#pragma once
#include <cstddef>
#include <cstdint>

namespace slmtune::kernels {

enum class CudaElement : int { kF32 = 0, kBF16 = 1 };

// A contiguous [count, columns] array of `element` on GPU number `device`.
struct CudaRows {
  int64_t count = 0, columns = 0;
  CudaElement element = CudaElement::kF32;
  int device = 0;
};

inline constexpr int kCudaModuleAbi = 1;

struct CudaModule {
  int abi;  // kCudaModuleAbi of the module's build; first, so that it can be read from any version

  // GPUs that can be used, or -1 with the reason (a C string) in `reason`. Never throws.
  int (*device_count)(char* reason, size_t reason_bytes);
  // Name of GPU `device`, its memory in bytes and its compute capability times ten (90 = 9.0). 0 or
  // cudaError_t.
  int (*describe)(int device, char* name, size_t name_bytes, uint64_t* memory_bytes,
                  int* capability);
  const char* (*error_text)(int error);

  // y = x · scale · weight with scale [count] float32 = 1 / sqrt(mean(x²) + eps); x, weight, y of
  // rows.element.
  int (*rms_norm_forward)(CudaRows rows, const void* x, const void* weight, void* y, float* scale,
                          double eps);
  // Rows of the workspace `partial` [partial_rows, columns] float32 that the weight gradient needs.
  int64_t (*rms_norm_partial_rows)(int64_t rows);
  // `grad_weight` and `partial` are both null when the weight is frozen.
  int (*rms_norm_backward)(CudaRows rows, const void* grad_y, const void* x, const void* weight,
                           const float* scale, void* grad_x, void* grad_weight, float* partial);
};

}  // namespace slmtune::kernels

// The module's one exported function.
extern "C" const slmtune::kernels::CudaModule* slmtune_cuda_module();
