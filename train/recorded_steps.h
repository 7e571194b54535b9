// Loss and gradients of micro-batches whose kernels were recorded once for each size
// (graph_shape.h) and are started as a whole. On the CPU the same code computes them anew each
// time, which is how it is tested.
//
//   RecordedSteps steps(model, 1024);
//   at::Tensor sum = steps.loss_sum(batch);   // gradients were added to the parameters'
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/recorded_work.h"
#include "models/causal_lm.h"
#include "train/graph_shape.h"
#include "train/loss.h"

namespace slmtune::train {

class RecordedSteps {
 public:
  using Record = std::function<decltype(kernels::record_work)>;

  // The model's trained tensors have gradients already, which keep their memory
  // (flat_parameters.h). Both passes must be free of random numbers.
  RecordedSteps(models::CausalLM& model, int64_t chunk, Record record = kernels::record_work)
      : model_(model), chunk_(chunk), record_work_(std::move(record)) {}

  // The sum of the losses of the batch's labels, without a graph: backward has run. A size is
  // computed as usual the first time, recorded the second. A device that cannot record, or has no
  // memory for recordings beside that of the steps, is told of once, and everything computed as
  // usual.
  at::Tensor loss_sum(const data::MicroBatch& batch);

  size_t recorded() const;  // sizes

 private:
  struct Size {
    BatchTensors tensors;         // their memory stays
    at::Tensor numbers, weights;  // what they are views of; [labels]
    at::Tensor loss;              // scalar
    std::unique_ptr<kernels::RecordedWork> work;
    std::vector<at::Tensor> gradients;  // that the work adds to
    bool is_known = false;
  };

  void load(Size& size, const GraphShape& shape, const FilledBatch& batch);
  void run(Size& size);
  void record(Size& size);
  void forget();
  void give_up(const std::string& reason);

  models::CausalLM& model_;
  int64_t chunk_;
  Record record_work_;
  std::map<GraphShape, Size> sizes_;
  const kernels::RecordedWork* first_ = nullptr;  // whose memory the others share
  bool gives_up_ = false;
};

}  // namespace slmtune::train
