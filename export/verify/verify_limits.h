// How far a written model may be from the trained one.
#pragma once
#include "export/encodings/encoding.h"

namespace slmtune::exporting {

struct VerifyLimits {
  double max_perplexity_increase = 0.0;  // 0.05: up to 5 % more
  double min_greedy_agreement = 0.0;     // share of the tokens of greedy answers
};

// For files whose matrices are mostly of that encoding. Wide: they tell a broken file, or a model
// too small for so few bits, from the loss that is to be expected.
VerifyLimits default_limits(const Encoding& encoding);

}  // namespace slmtune::exporting
