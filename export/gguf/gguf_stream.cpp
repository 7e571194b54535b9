#include "export/gguf/gguf_stream.h"

#include <algorithm>
#include <utility>

#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "core/stop.h"
#include "kernels/cpu_count.h"

namespace slmtune::exporting {
namespace {

constexpr int64_t kRunElements = 1 << 20;

struct Stopped {};  // ends the reading thread when nobody wants its runs any more

// Rows in the order of the file, from the whole tensor: reordered ones are small.
std::vector<std::byte> reordered(const PlannedTensor& planned, std::vector<std::byte> bytes) {
  const auto& shape = planned.source.shape;
  const int64_t rows = shape.front();
  const size_t row_bytes = bytes.size() / static_cast<size_t>(rows);
  std::vector<std::byte> ordered(bytes.size());
  for (int64_t to = 0; to < rows; ++to) {
    const int64_t from = source_row(to, rows, planned.reordered_heads);
    std::copy_n(bytes.begin() + from * static_cast<int64_t>(row_bytes), row_bytes,
                ordered.begin() + to * static_cast<int64_t>(row_bytes));
  }
  return ordered;
}

}  // namespace

EncodedStream::EncodedStream(std::span<const PlannedTensor> plan)
    : plan_(plan), written_(plan.size()) {
  const auto cores = static_cast<size_t>(kernels::usable_cores());
  window_ = 2 * cores + 2;
  threads_.emplace_back([this] { read(); });
  for (size_t i = 0; i < cores; ++i) threads_.emplace_back([this] { encode(); });
}

EncodedStream::~EncodedStream() {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  room_.notify_all();
  work_.notify_all();
}

void EncodedStream::add(std::unique_ptr<Run> run) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return is_stopped_ || runs_.size() < window_; });
  if (is_stopped_) throw Stopped{};
  runs_.push_back(std::move(run));
  work_.notify_one();
}

void EncodedStream::read_tensor(size_t index) {
  const PlannedTensor& planned = plan_[index];
  const TensorSource& source = planned.source;
  const int64_t columns = source.shape.size() == 1 ? 1 : source.shape.back();
  const size_t row_bytes = static_cast<size_t>(columns) * dtype_bytes(source.dtype);
  const size_t whole_bytes =
      static_cast<size_t>(shape_elements(source.shape)) * dtype_bytes(source.dtype);
  const size_t run_bytes =
      static_cast<size_t>(std::max<int64_t>(1, kRunElements / columns)) * row_bytes;
  const size_t gathered_bytes = planned.reordered_heads > 0 ? whole_bytes : run_bytes;
  size_t seen = 0;
  std::vector<std::byte> rest;
  const auto cut = [&](std::span<const std::byte> bytes) {
    for (size_t first = 0; first < bytes.size(); first += run_bytes) {
      const auto part = bytes.subspan(first, std::min(run_bytes, bytes.size() - first));
      auto run = std::make_unique<Run>();
      run->tensor = index;
      run->values.assign(part.begin(), part.end());
      add(std::move(run));
    }
  };
  source.fill([&](std::span<const std::byte> part) {
    seen += part.size();
    while (!part.empty()) {
      check_stop();
      const size_t count = std::min(part.size(), gathered_bytes - rest.size());
      rest.insert(rest.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(count));
      part = part.subspan(count);
      if (rest.size() < gathered_bytes) continue;
      if (planned.reordered_heads > 0) rest = reordered(planned, std::move(rest));
      cut(rest);
      rest.clear();
    }
  });
  SLMTUNE_ASSERT(seen == whole_bytes, "tensor source gave another size");
  cut(rest);
}

void EncodedStream::read() {
  size_t index = 0;
  std::exception_ptr failure;
  try {
    for (; index < plan_.size(); ++index) read_tensor(index);
  } catch (const Stopped&) {
  } catch (...) {
    failure = std::current_exception();
  }
  std::unique_lock lock(mutex_);
  if (failure) {
    auto run = std::make_unique<Run>();
    run->tensor = index;
    run->failure = failure;
    runs_.push_back(std::move(run));
  }
  is_read_ = true;
  lock.unlock();
  work_.notify_all();
}

EncodedStream::Run* EncodedStream::next_to_encode() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [this] { return is_stopped_ || is_read_ || taken_ < runs_.size(); });
  if (is_stopped_ || taken_ == runs_.size()) return nullptr;
  return runs_[taken_++].get();
}

void EncodedStream::encode() {
  while (Run* run = next_to_encode()) {
    try {
      if (!run->failure) run->encoded = encode_run(plan_[run->tensor], run->values);
    } catch (...) {
      run->failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      run->is_done = true;
    }
    done_.notify_one();
  }
}

std::unique_ptr<EncodedStream::Run> EncodedStream::next_to_write() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return !runs_.empty() && runs_.front()->is_done; });
  std::unique_ptr<Run> run = std::move(runs_.front());
  runs_.pop_front();
  --taken_;
  lock.unlock();
  room_.notify_one();
  return run;
}

void EncodedStream::write(size_t index,
                          const std::function<void(std::span<const std::byte>)>& take) {
  uint64_t left = table_entry(plan_[index]).bytes;
  while (left > 0) {
    check_stop();
    const std::unique_ptr<Run> run = next_to_write();
    if (run->failure) std::rethrow_exception(run->failure);
    const EncodedRun& encoded = run->encoded;
    SLMTUNE_ASSERT(run->tensor == index && encoded.blocks.size() <= left,
                   "tensors are written in the order of the plan");
    take(encoded.blocks);
    left -= encoded.blocks.size();
    written_[index].difference.add(encoded.difference);
    written_[index].pieces.push_back({encoded.blocks.size(), encoded.crc});
  }
}

}  // namespace slmtune::exporting
