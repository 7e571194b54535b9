// The table of libslmtune_cuda.so: one line per area.
#include "kernels/cuda/module.h"

extern "C" __attribute__((visibility("default"))) const slmtune::kernels::CudaModule*
slmtune_cuda_module() {
  using namespace slmtune::kernels;
  static const CudaModule table = {
      .abi = kCudaModuleAbi,
      .bytes = sizeof(CudaModule),
      .host = cuda_host(),
      .graphs = cuda_graphs(),
      .nccl = cuda_nccl(),
      .adamw = {adamw_norm_pieces, launch_adamw_judge, launch_adamw_update,
                launch_adamw_update_8bit},
      .attention = {launch_attention_plain_forward, launch_attention_plain_backward,
                    launch_attention_forward, launch_attention_backward},
      .cross_entropy = {launch_cross_entropy, launch_cross_entropy_in_place},
      .int8 = {launch_int8_dequantise, launch_int8_quantise},
      .nf4 = {launch_nf4_dequantise, launch_nf4_quantise, launch_nf4_quantise_scales},
      .embedding = {launch_embedding},
      .gated_activation = {launch_gated_activation, launch_gated_activation_backward},
      .rms_norm = {launch_rms_norm_forward, launch_rms_norm_backward, rms_norm_partial_rows,
                   launch_rms_norm_weight_gradient},
      .rope = {launch_rope},
  };
  return &table;
}
