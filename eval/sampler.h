// Picks the next token from one row of logits. The order of steps is that of transformers:
// temperature, top-k, top-p. Own arithmetic and own random numbers, so a seed gives the same tokens
// on every machine with the same logits.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/seed.h"
#include "eval/generation.h"

namespace slmtune::eval {

// Index of the largest value, the lowest one of equals; NaN never wins. `logits` is not empty.
int32_t most_likely(std::span<const float> logits);

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);
  int32_t next(std::span<const float> logits);

 private:
  struct Candidate {
    float logit = 0.0f;
    int32_t id = 0;
  };
  void take_top_k(std::span<const float> logits);
  size_t count_of_top_p(double total) const;

  SamplingOptions options_;
  SplitMix64 random_;
  std::vector<Candidate> candidates_;  // most likely first
  std::vector<double> weights_;        // exp(logit / temperature), relative to the first
};

}  // namespace slmtune::eval
