#include "eval/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace slmtune::eval {

int32_t most_likely(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i)
    if (logits[i] > logits[best] || std::isnan(logits[best])) best = i;
  return static_cast<int32_t>(best);
}

Sampler::Sampler(const SamplingOptions& options)
    : options_(options), random_(derive_seed(options.seed, "sample")) {}

int32_t Sampler::next(std::span<const float> logits) {
  SLMTUNE_ASSERT(!logits.empty(), "a vocabulary has tokens");
  if (options_.greedy || options_.temperature <= 0.0 || options_.top_k == 1)
    return most_likely(logits);
  take_top_k(logits);
  if (candidates_.empty()) return most_likely(logits);
  weights_.clear();
  double total = 0.0;
  for (const Candidate& candidate : candidates_) {
    const double distance =
        static_cast<double>(candidate.logit) - static_cast<double>(candidates_.front().logit);
    weights_.push_back(std::exp(distance / options_.temperature));
    total += weights_.back();
  }
  const size_t kept = count_of_top_p(total);
  double kept_total = 0.0;
  for (size_t i = 0; i < kept; ++i) kept_total += weights_[i];
  double rest = random_.uniform() * kept_total;
  for (size_t i = 0; i + 1 < kept; ++i) {
    rest -= weights_[i];
    if (rest < 0.0) return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

// Sorts what is kept; equal logits by id, so that the result is one and the same everywhere.
void Sampler::take_top_k(std::span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isfinite(logits[i])) candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const size_t wanted =
      options_.top_k <= 0 ? candidates_.size() : static_cast<size_t>(options_.top_k);
  const size_t kept = std::min(wanted, candidates_.size());
  const auto end = candidates_.begin() + static_cast<ptrdiff_t>(kept);
  std::partial_sort(candidates_.begin(), end, candidates_.end(), before);
  candidates_.resize(kept);
}

// The fewest candidates whose share reaches top_p; at least one.
size_t Sampler::count_of_top_p(double total) const {
  if (options_.top_p >= 1.0) return weights_.size();
  double sum = 0.0;
  for (size_t i = 0; i < weights_.size(); ++i) {
    sum += weights_[i];
    if (sum >= options_.top_p * total) return i + 1;
  }
  return weights_.size();
}

}  // namespace slmtune::eval
