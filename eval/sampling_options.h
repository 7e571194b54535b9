// How the next token is chosen, and when an answer is long enough.
#pragma once
#include <cstdint>

namespace slmtune::eval {

struct SamplingOptions {
  bool greedy = true;
  double temperature = 0.8, top_p = 0.95;
  int64_t top_k = 40;
  int64_t max_tokens = 256;
  uint64_t seed = 7;
};

}  // namespace slmtune::eval
