#include "train/recorded_steps.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "kernels/device_memory.h"

namespace slmtune::train {
namespace {

// Each recording holds its kernels' arguments, some MB; more sizes than this do not repeat often.
constexpr size_t kMostSizes = 24;

void append(std::vector<int64_t>& all, const std::vector<int64_t>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

}  // namespace

size_t RecordedSteps::recorded() const {
  return static_cast<size_t>(
      std::ranges::count_if(sizes_, [](const auto& each) { return each.second.work != nullptr; }));
}

// One copy to the device; the tables keep their addresses.
void RecordedSteps::load(Size& size, const GraphShape& shape, const FilledBatch& batch) {
  std::vector<int64_t> all;
  for (const auto* part :
       {&batch.ids, &batch.positions, &batch.label_rows, &batch.targets, &batch.weights})
    append(all, *part);
  const auto numbers = static_cast<int64_t>(all.size());
  append(all, batch.starts);
  const at::Tensor sent = kernels::int32_on(all, model_.device);
  BatchTensors& tensors = size.tensors;
  if (!size.numbers.defined()) {
    const auto options = at::TensorOptions().dtype(at::kLong).device(model_.device);
    size.numbers = at::empty({numbers}, options);
    int64_t next = 0;
    const auto part = [&](int64_t count) {
      return size.numbers.narrow(0, std::exchange(next, next + count), count);
    };
    tensors.ids = part(shape.tokens);
    tensors.layout.positions = part(shape.tokens);
    tensors.label_rows = part(shape.labels);
    tensors.targets = part(shape.labels);
    size.weights = part(shape.labels);
    tensors.layout.offsets = at::empty({shape.rows + 1}, options.dtype(at::kInt));
    tensors.layout.longest = shape.tokens;  // of any batch of this size
    const bool is_double = model_.dtype == at::kDouble;
    size.loss = at::zeros({}, options.dtype(is_double ? at::kDouble : at::kFloat));
  }
  size.numbers.copy_(sent.narrow(0, 0, numbers));
  tensors.layout.offsets.copy_(sent.slice(0, numbers));
  tensors.layout.starts = batch.starts;
}

void RecordedSteps::run(Size& size) {
  const at::Tensor losses = token_losses(model_, size.tensors, chunk_);
  const at::Tensor sum = (losses * size.weights).sum();
  sum.backward();
  model_.settle();
  size.loss.copy_(sum.detach());
}

// Their memory is given back.
void RecordedSteps::forget() {
  for (auto& [shape, size] : sizes_) size.work.reset();
  first_ = nullptr;
  kernels::release_device_cache(model_.device);
}

void RecordedSteps::give_up(const std::string& reason) {
  gives_up_ = true;
  log_info("steps are started kernel by kernel: this GPU does not record them (" + reason + ")");
}

void RecordedSteps::record(Size& size) {
  std::vector<std::pair<at::Tensor, uint32_t>> before;
  for (const auto& [name, tensor] : models::trainable_tensors(model_))
    before.emplace_back(tensor.grad(), tensor.grad()._version());
  // What a pass that failed has left open on another stream cannot be waited for in a recording.
  model_.settle();
  // A recording has memory of its own: what the steps so far have left is given back for it.
  kernels::release_device_cache(model_.device);
  try {
    size.work = record_work_(model_.device, first_, [this, &size] { run(size); });
  } catch (const c10::OutOfMemoryError& error) {
    log_verbose(error.what_without_backtrace());
    forget();
    return give_up("no memory is left for it");
  } catch (const c10::Error& error) {
    log_verbose(error.what_without_backtrace());
    return give_up("-v shows why");
  } catch (const UnavailableError& error) {
    if (error.code() != "G004") throw;
    return give_up(error.diagnostics().front().what);
  }
  if (first_ == nullptr) first_ = size.work.get();
  for (const auto& [gradient, version] : before)
    if (gradient._version() != version) size.gradients.push_back(gradient);
}

at::Tensor RecordedSteps::loss_sum(const data::MicroBatch& batch) {
  const GraphShape shape = graph_shape(batch);
  if (batch.trained == 0) return at::zeros({}, at::device(model_.device));
  // A size too many is computed in the same way, so that no bit depends on what came before.
  Size once;
  const bool is_kept = sizes_.contains(shape) || sizes_.size() < kMostSizes;
  Size& size = is_kept ? sizes_[shape] : once;
  load(size, shape, fill_up(batch, shape));
  if (size.work == nullptr && size.is_known && !gives_up_) record(size);
  size.is_known = true;
  if (size.work == nullptr) {
    run(size);
    return size.loss;
  }
  size.work->replay();
  // As the operators would have told autograd, and FlatParameters listens to.
  for (const at::Tensor& gradient : size.gradients) gradient.unsafeGetTensorImpl()->bump_version();
  return size.loss;
}

}  // namespace slmtune::train
