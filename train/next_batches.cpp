#include "train/next_batches.h"

#include <utility>

namespace slmtune::train {

NextBatches::~NextBatches() {
  if (next_.valid()) next_.wait();
}

NextBatches::Packed NextBatches::pack(int64_t step) {
  return {step, plan_.micro_batch_tokens, batches_.of(step)};
}

std::vector<data::MicroBatch> NextBatches::of(const RunPlan& plan, int64_t step) {
  Packed packed{.step = -1};
  if (next_.valid()) packed = next_.get();
  plan_ = plan;  // nobody packs at the moment
  const bool is_it = packed.step == step && packed.limit == plan.micro_batch_tokens;
  if (is_it)
    ++packed_before_;
  else
    packed = pack(step);
  if (step + 1 < plan.total)
    next_ = std::async(std::launch::async, [this, step] { return pack(step + 1); });
  return std::move(packed.batches);
}

}  // namespace slmtune::train
