#include "export/verify/verify_limits.h"

namespace slmtune::exporting {
namespace {

struct Row {
  double least_bits;  // of a weight
  VerifyLimits limits;
};
// Small models lose most; measured ones stand in docs/export.md.
constexpr Row kRows[] = {{16.0, {0.02, 0.90}}, {8.0, {0.05, 0.80}}, {6.0, {0.10, 0.70}},
                         {5.0, {0.20, 0.60}},  {4.0, {0.40, 0.50}}, {3.0, {1.00, 0.30}},
                         {0.0, {3.00, 0.10}}};

}  // namespace

VerifyLimits default_limits(const Encoding& encoding) {
  const double bits =
      8.0 * static_cast<double>(encoding.block_bytes) / static_cast<double>(encoding.block);
  const Row* row = kRows;
  while (bits < row->least_bits) ++row;
  return row->limits;
}

}  // namespace slmtune::exporting
