#include "kernels/attention/attention_path.h"

namespace slmtune::kernels {
namespace {

constexpr int64_t kWidestHead = 256;  // of flash attention and of our kernels
constexpr int kOldestTensorCores = 80;

bool has_tiles(int64_t head_dim) {
  return head_dim == 64 || head_dim == 96 || head_dim == 128 || head_dim == 256;
}

bool has_flash_backward(const AttentionShape& shape) {
  const int64_t step = shape.head_dim <= 128 ? 32 : 64;  // lengths of a head are rounded up to it
  const int64_t width = (shape.head_dim + step - 1) / step * step;
  if ((shape.tokens + 128 * shape.rows) * shape.heads * width >= int64_t{1} << 31) return false;
  if (shape.head_dim <= 192 || shape.head_dim > 224) return true;
  return shape.capability == 80 || shape.capability == 90 || shape.capability == 100;
}

AttentionPath with_soft_cap(const AttentionShape& shape) {
  const bool in_tiles = shape.number == AttentionNumber::kBFloat16 && shape.is_aligned &&
                        has_tiles(shape.head_dim) && shape.capability >= kOldestTensorCores;
  return in_tiles ? AttentionPath::kTensorCores : AttentionPath::kPlain;
}

AttentionPath in_bfloat16(const AttentionShape& shape) {
  const bool fits = shape.is_aligned && shape.head_dim % 8 == 0;
  if (!fits || shape.capability < kOldestTensorCores) return AttentionPath::kPlain;
  if (shape.head_dim <= kWidestHead && has_flash_backward(shape)) return AttentionPath::kFlash;
  return AttentionPath::kEfficient;
}

AttentionPath in_float32(const AttentionShape& shape) {
  return shape.is_aligned && shape.head_dim % 4 == 0 ? AttentionPath::kEfficient
                                                     : AttentionPath::kPlain;
}

}  // namespace

AttentionPath attention_path(const AttentionShape& shape) {
  if (shape.on_cpu) return AttentionPath::kLoops;
  if (shape.number == AttentionNumber::kFloat64) return AttentionPath::kExact;
  const AttentionPath path = shape.has_soft_cap                           ? with_soft_cap(shape)
                             : shape.number == AttentionNumber::kBFloat16 ? in_bfloat16(shape)
                                                                          : in_float32(shape);
  const bool is_too_wide = path == AttentionPath::kPlain && shape.head_dim > kWidestHead;
  return is_too_wide ? AttentionPath::kExact : path;
}

const char* name_of(AttentionPath path) {
  switch (path) {
    case AttentionPath::kLoops:
      return "loops";
    case AttentionPath::kFlash:
      return "flash";
    case AttentionPath::kEfficient:
      return "efficient";
    case AttentionPath::kTensorCores:
      return "tensor cores";
    case AttentionPath::kPlain:
      return "plain";
    case AttentionPath::kExact:
      return "exact";
  }
  return "unknown";
}

}  // namespace slmtune::kernels
