#include "train/answer_log_probabilities.h"

#include <ATen/ATen.h>

#include <vector>

#include "kernels/send.h"
#include "train/loss.h"

namespace slmtune::train {
namespace {

// Label tokens of each row, [R] int64.
at::Tensor label_counts(const data::MicroBatch& batch, at::Device device) {
  std::vector<int64_t> counts;
  for (size_t row = 0; row + 1 < batch.starts.size(); ++row) {
    int64_t count = 0;
    for (int64_t place = batch.starts[row] + 1; place < batch.starts[row + 1]; ++place)
      count += batch.labels[static_cast<size_t>(place)] != data::kNotTrained;
    counts.push_back(count);
  }
  return kernels::sent_to(at::tensor(counts, at::kLong), device);
}

}  // namespace

at::Tensor answer_log_probabilities(models::CausalLM& model, const data::MicroBatch& batch,
                                    int64_t chunk) {
  const at::Tensor losses = token_losses(model, to_tensors(batch, model.device), chunk);
  // `unsafe`: the counts are right by how they were made; checking them would wait for the device.
  return at::segment_reduce(losses.to(at::kDouble).neg(), "sum", label_counts(batch, model.device),
                            /*indices=*/{}, /*offsets=*/{}, /*axis=*/0, /*unsafe=*/true);
}

}  // namespace slmtune::train
