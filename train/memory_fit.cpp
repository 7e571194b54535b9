#include "train/memory_fit.h"

#include <algorithm>

#include "train/time_plan.h"

namespace slmtune::train {
namespace {

// A search over what the recipe leaves open.
class Search {
 public:
  Search(uint64_t budget, const ModelSizes& sizes, const TrainedSizes& trained,
         const PlanSetting& setting, const AutoChoice& choice)
      : budget_(budget), sizes_(sizes), trained_(trained), choice_(choice), setting_(setting) {
    least_ = std::min(choice.least_tokens, choice.most_tokens);
    setting_.micro_batch_tokens = choice.micro_batch_tokens.value_or(choice.most_tokens);
    restart_recomputation();
  }

  // Halves of a micro-batch cost little as long as its matrices stay tall.
  PlanSetting fewest_changes() {
    constexpr int64_t kTallEnough = 1024;
    halve_to(std::max(least_, kTallEnough));
    while (!fits() && recompute_more()) continue;
    halve_to(least_);
    while (!fits() && recompute_whole()) continue;
    return setting_;
  }

  PlanSetting least_time() {
    std::optional<PlanSetting> best;
    while (true) {
      restart_recomputation();
      while (!fits() && (recompute_more() || recompute_whole())) continue;
      const bool is_better =
          !best || step_cost(sizes_, trained_, setting_) < step_cost(sizes_, trained_, *best);
      if (fits() && is_better) best = setting_;
      if (choice_.micro_batch_tokens || setting_.micro_batch_tokens <= least_) break;
      setting_.micro_batch_tokens = std::max(least_, next_smaller(setting_.micro_batch_tokens));
    }
    return best.value_or(setting_);
  }

 private:
  bool fits() const { return plan_memory(sizes_, trained_, setting_).total() <= budget_; }

  void restart_recomputation() {
    setting_.whole = std::min(choice_.whole.value_or(0), sizes_.layers());
    setting_.recompute =
        std::min(std::max(choice_.recompute.value_or(0), setting_.whole), sizes_.layers());
  }

  void halve_to(int64_t floor) {
    while (!choice_.micro_batch_tokens && !fits() && setting_.micro_batch_tokens > floor)
      setting_.micro_batch_tokens = std::max(floor, setting_.micro_batch_tokens / 2);
  }

  // Quarters of the largest power of two within: 4096, 3584, 3072, 2560, 2048, 1792, …
  static int64_t next_smaller(int64_t tokens) {
    int64_t power = 1;
    while (power * 2 < tokens) power *= 2;
    const int64_t step = std::max<int64_t>(1, power / 4);
    return (tokens - 1) / step * step;
  }

  bool recompute_more() {
    if (choice_.recompute || setting_.recompute >= sizes_.layers()) return false;
    ++setting_.recompute;
    return true;
  }

  bool recompute_whole() {
    if (choice_.whole || setting_.whole >= setting_.recompute) return false;
    ++setting_.whole;
    return true;
  }

  const uint64_t budget_;
  const ModelSizes& sizes_;
  const TrainedSizes& trained_;
  const AutoChoice& choice_;
  PlanSetting setting_;
  int64_t least_ = 0;
};

}  // namespace

PlanSetting fit_to(uint64_t budget, const ModelSizes& sizes, const TrainedSizes& trained,
                   PlanSetting setting, const AutoChoice& choice) {
  const auto search = [&] { return Search(budget, sizes, trained, setting, choice); };
  if (setting.on_cpu) return search().fewest_changes();
  const PlanSetting fit = search().least_time();
  if (!choice.may_offload || plan_memory(sizes, trained, fit).total() <= budget) return fit;
  setting.offload = true;
  return search().least_time();
}

double dequantise_passes(const ModelSizes& sizes, const PlanSetting& setting) {
  if (setting.quant == "none") return 0;
  const RecomputedLayers again = recomputed_layers(sizes, setting);
  // Fused layers that recompute hold what they wrote out until their gradients are made.
  if (setting.fused()) return 2.0;
  return 2.0 + static_cast<double>(again.whole) / static_cast<double>(sizes.layers());
}

double step_cost(const ModelSizes& sizes, const TrainedSizes& trained, const PlanSetting& setting) {
  // A pass over 4-bit weights moves 2.52 bytes for each of 4 operations and more that a token
  // needs of it: as long as 70 (RTX 3060) to 120 tokens (H200) take, by published rates. Launching
  // a micro-batch's kernels takes about a tenth of that.
  constexpr double kTokensOfPass = 100, kTokensOfLaunches = 20;
  const auto tokens = static_cast<double>(std::max<int64_t>(1, batch_tokens(setting)));
  const WorkShape once{.row_tokens = setting.rows.mean > 0 ? setting.rows.mean : tokens,
                       .full = setting.full};
  WorkShape shape = once;
  const RecomputedLayers again = recomputed_layers(sizes, setting);
  shape.recompute = again.both();
  shape.whole = again.whole;
  const double more =
      flops_per_token(sizes, trained, shape).total / flops_per_token(sizes, trained, once).total;
  return more + (kTokensOfLaunches + kTokensOfPass * dequantise_passes(sizes, setting)) / tokens;
}

}  // namespace slmtune::train
