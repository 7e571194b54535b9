// Which implementation serves an attention call, decided by numbers alone.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

enum class AttentionPath {
  kLoops,        // the CPU's (attention_cpu.h)
  kFlash,        // LibTorch's flash attention (library_attention.h)
  kEfficient,    // LibTorch's memory-efficient attention
  kTensorCores,  // our kernels for scores with a soft-cap (attention_forward.cu)
  kPlain,  // our kernels without tensor cores, for everything else up to 256 (attention_plain.cu)
  kExact,  // written out in LibTorch's operators (exact_attention.h)
};

enum class AttentionNumber { kFloat32, kBFloat16, kFloat64 };

struct AttentionShape {
  AttentionNumber number = AttentionNumber::kBFloat16;
  int64_t head_dim = 0;
  bool has_soft_cap = false;
  bool is_aligned = true;  // heads and tokens start at multiples of 16 bytes
  bool on_cpu = false;
  int capability = 0;  // of the GPU, ten times: 89 = 8.9
  int64_t tokens = 0, rows = 0, heads = 0;
};

// Flash attention: bfloat16, heads of at most 256 and a multiple of 8; those of 193 to 224 have a
// backward pass on 8.0, 9.0 and 10.0 only, whose blocks have more shared memory; its buffer for dq,
// (tokens + 128 · rows) · heads · length of a head, is indexed by 32 bits. Efficient attention: any
// length of head, as long as heads are whole pieces of 16 bytes. No operator of LibTorch takes a
// soft-cap.
AttentionPath attention_path(const AttentionShape& shape);

// The window that rows of at most `longest` tokens notice: 0 where it reaches over all of them.
inline int64_t noticed_window(int64_t window, int64_t longest) {
  return window >= longest ? 0 : window;
}

const char* name_of(AttentionPath path);

}  // namespace slmtune::kernels
