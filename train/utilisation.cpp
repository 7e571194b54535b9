#include "train/utilisation.h"

#include <utility>

#include "train/time_plan.h"

namespace slmtune::train {

void TokensDone::add(std::span<const int64_t> starts, int64_t labels) {
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    const int64_t length = starts[row + 1] - starts[row];
    tokens += length;
    squares += static_cast<double>(length) * static_cast<double>(length);
  }
  label_tokens += labels;
}

TokensDone& TokensDone::operator+=(const TokensDone& more) {
  tokens += more.tokens;
  label_tokens += more.label_tokens;
  squares += more.squares;
  return *this;
}

UtilisationMeter::UtilisationMeter(ModelSizes sizes, TrainedSizes trained, const Work& work)
    : sizes_(std::move(sizes)), trained_(std::move(trained)), work_(work) {}

Utilisation UtilisationMeter::of(const TokensDone& done, double seconds) const {
  if (done.tokens == 0) return {};
  const auto tokens = static_cast<double>(done.tokens);
  const RecomputedLayers again = recomputed_layers(sizes_, work_.setting);
  const FlopsPerToken flops =
      flops_per_token(sizes_, trained_,
                      {.row_tokens = done.squares / tokens,
                       .label_share = static_cast<double>(done.label_tokens) / tokens,
                       .recompute = again.both(),
                       .whole = again.whole,
                       .full = work_.setting.full,
                       .other_passes = work_.other_passes});
  const double possible = work_.peak * seconds;
  return {tokens * flops.needed() / possible, tokens * flops.total / possible};
}

}  // namespace slmtune::train
