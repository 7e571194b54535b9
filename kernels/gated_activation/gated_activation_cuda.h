// The gated activations' table in the CUDA module (kernels/cuda/module.h has the rules) and the
// launchers of gated_activation.cu that fill it. gated_activation.h has the formulas.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

enum class CudaActivation : int { kSilu = 0, kGeluTanh = 1 };

// [rows.count, rows.columns] each; distances between rows in elements.
struct CudaGated {
  CudaRows rows;
  int64_t hidden_stride = 0, gate_stride = 0, up_stride = 0;
};

struct CudaGatedActivation {
  // hidden = act(gate) · up; `hidden` may be `gate` or `up`.
  int (*forward)(CudaGated shape, CudaActivation activation, const void* gate, const void* up,
                 void* hidden, CudaStream stream);
  // hidden holds the gradient dh and becomes h, gate becomes dgate, up becomes dup.
  int (*backward)(CudaGated shape, CudaActivation activation, void* gate, void* up, void* hidden,
                  CudaStream stream);
};

int launch_gated_activation(CudaGated shape, CudaActivation activation, const void* gate,
                            const void* up, void* hidden, CudaStream stream);
int launch_gated_activation_backward(CudaGated shape, CudaActivation activation, void* gate,
                                     void* up, void* hidden, CudaStream stream);

}  // namespace slmtune::kernels
