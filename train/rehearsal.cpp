#include "train/rehearsal.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/process_memory.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device_memory.h"

namespace slmtune::train {
namespace {

// Rows that go through the model together: one, or a pair of one line.
struct Unit {
  uint64_t first = 0, count = 1;
  int64_t tokens = 0;
};

std::vector<Unit> longest_first(const data::Rows& rows) {
  std::vector<Unit> units;
  for (uint64_t row = 0; row < rows.size(); ++row) {
    if (row > 0 && rows.goes_on(row))
      ++units.back().count;
    else
      units.push_back({row});
    units.back().tokens += rows.length(row);
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.tokens > b.tokens; });
  return units;
}

}  // namespace

RowLengths row_lengths(const data::Rows& rows, int64_t batch_rows) {
  const std::vector<Unit> units = longest_first(rows);
  RowLengths lengths{.longest = 0, .step = 0};
  if (!units.empty()) lengths.longest = units.front().tokens;
  const auto count = std::min(units.size(), static_cast<size_t>(batch_rows));
  for (size_t i = 0; i < count; ++i) lengths.step += units[i].tokens;
  int64_t tokens = 0;
  for (uint64_t row = 0; row < rows.size(); ++row) tokens += rows.length(row);
  if (rows.size() > 0)
    lengths.mean = static_cast<double>(tokens) / static_cast<double>(rows.size());
  return lengths;
}

std::vector<uint64_t> largest_batch(const data::Rows& rows, int64_t batch_rows, int64_t budget,
                                    bool pack) {
  std::vector<uint64_t> chosen;
  int64_t tokens = 0, count = 0;
  for (const Unit& unit : longest_first(rows)) {
    if (count == (pack ? batch_rows : 1)) break;
    if (count > 0 && tokens + unit.tokens > budget) continue;
    for (uint64_t i = 0; i < unit.count; ++i) chosen.push_back(unit.first + i);
    tokens += unit.tokens;
    ++count;
  }
  return chosen;
}

uint64_t training_peak(at::Device device) {
  const std::optional<kernels::DeviceMemory> memory = kernels::device_memory(device);
  return memory ? memory->allocated_peak + kernels::kCudaContextBytes : peak_memory();
}

void restart_training_peak(at::Device device) {
  if (device.is_cpu())
    restart_peak_memory();
  else
    kernels::restart_device_peaks(device);
}

std::optional<Rehearsal> rehearse(Objective& objective, const data::Rows& rows, const RunPlan& plan,
                                  int64_t batch_rows, at::Device device,
                                  const ShouldStop& should_stop) {
  const std::vector<uint64_t> chosen =
      largest_batch(rows, batch_rows, plan.micro_batch_tokens, plan.pack);
  Rehearsal rehearsal;
  if (!objective.begin(Part::kTrain, chosen, should_stop)) return std::nullopt;
  for (const data::MicroBatch& batch :
       data::pack(rows, chosen, plan.micro_batch_tokens, plan.pack)) {
    if (should_stop()) return std::nullopt;
    rehearsal.tokens = std::max(rehearsal.tokens, static_cast<int64_t>(batch.ids.size()));
    const BatchLoss loss = objective.loss(Part::kTrain, batch);
    if (loss.sum.requires_grad()) loss.sum.backward();
  }
  rehearsal.peak = training_peak(device);
  return rehearsal;
}

}  // namespace slmtune::train
