#include "export/encodings/encoding.h"

namespace slmtune::exporting {

extern const Encoding kF32, kF16, kBf16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kIq4_NL;
extern const Encoding kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K;

std::span<const Encoding> encodings() {
  static const Encoding table[] = {kF32,  kF16,    kBf16, kQ8_0, kQ4_0, kQ4_1, kQ5_0,
                                   kQ5_1, kIq4_NL, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K};
  return table;
}

}  // namespace slmtune::exporting
