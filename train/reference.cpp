#include "train/reference.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/log.h"
#include "kernels/send.h"
#include "lora/attach.h"
#include "train/answer_log_probabilities.h"

namespace slmtune::train {
namespace {

// Packed together: enough for full micro-batches, few enough for little memory. Even, so that no
// pair is split.
constexpr size_t kRowsPerGroup = 512;

}  // namespace

bool Reference::measure(models::CausalLM& model, const data::Rows& rows, const RunPlan& plan,
                        int64_t chunk, const ShouldStop& should_stop,
                        collective::Collective& ranks) {
  const at::NoGradGuard no_gradient;
  lora::set_training(model, false);
  log_probabilities_.assign(rows.size() + 1, 0.0);
  double& stops = log_probabilities_.back();  // ranks that were asked to stop
  ProgressLine progress;
  for (size_t first = 0; first < rows.size() && stops == 0.0; first += kRowsPerGroup) {
    std::vector<uint64_t> group(std::min(kRowsPerGroup, rows.size() - first));
    std::iota(group.begin(), group.end(), uint64_t{first});
    for (const data::MicroBatch& batch :
         data::pack(rows, group, plan.micro_batch_tokens, plan.pack, plan.deal)) {
      if (should_stop()) {
        stops = 1.0;
        break;
      }
      const at::Tensor values = answer_log_probabilities(model, batch, chunk).to(at::kCPU);
      for (size_t i = 0; i < batch.rows.size(); ++i)
        log_probabilities_[batch.rows[i]] = values[static_cast<int64_t>(i)].item<double>();
    }
    progress.show(fmt::format("reference: {} of {} rows", first + group.size(), rows.size()));
  }
  ranks.sum(log_probabilities_);
  const bool go_on = stops == 0.0;
  log_probabilities_.pop_back();
  return go_on;
}

at::Tensor Reference::of(const data::MicroBatch& batch, at::Device device) const {
  std::vector<double> values;
  for (uint64_t row : batch.rows) values.push_back(log_probabilities_[row]);
  return kernels::sent_to(at::tensor(values, at::kDouble), device);
}

}  // namespace slmtune::train
