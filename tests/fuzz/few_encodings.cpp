// The table of encodings with those that have no code per instruction set, so that the reader of
// GGUF models is linked without the rest. Decoding blocks of fixed size has nothing to go wrong by
// what stands in them.
#include "export/encodings/encoding.h"

namespace slmtune::exporting {

extern const Encoding kF32, kF16, kBf16, kQ8_0;

std::span<const Encoding> encodings() {
  static const Encoding table[] = {kF32, kF16, kBf16, kQ8_0};
  return table;
}

}  // namespace slmtune::exporting
