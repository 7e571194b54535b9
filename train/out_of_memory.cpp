#include "train/out_of_memory.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cstring>

#include "core/error.h"
#include "kernels/device_memory.h"
#include "train/internal/run_report.h"

namespace slmtune::train {
namespace {

constexpr int kMemoryAllocation = 2;  // of cudaError_t: the driver's word, not the allocator's

std::string first_line(const c10::Error& error) {
  const char* text = error.what_without_backtrace();
  return std::string(text, std::strcspn(text, "\n"));
}

[[noreturn]] void refuse_to_halve(const Run& run, const std::string& reason) {
  const TrainState& state = run.state;
  log_verbose(reason);
  std::string what = fmt::format("step {} with micro-batches of up to {} tokens",
                                 run.next_step() + 1, run.plan.micro_batch_tokens);
  if (run.ranks.several())
    what += "; on several GPUs the size of micro-batches stays as it is";
  else if (state.halvings.size() < kMaxHalvings && run.tried.lines == 1)
    what += fmt::format("; a single row of {} tokens does not fit", run.tried.tokens);
  else
    what += fmt::format(", after {} halvings", state.halvings.size());
  throw kernels::device_memory_full(
      what, run.job.model->device,
      "lower data.max_tokens, write 'recompute: all' in section 'train' or 'quant: nf4' in section "
      "'model', or close other programs that use the GPU");
}

}  // namespace

std::string out_of_memory_text() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return first_line(error);
  } catch (const c10::AcceleratorError& error) {
    if (error.get_error_code() != kMemoryAllocation) throw;
    return first_line(error);
  } catch (const c10::Error& error) {
    if (!kernels::tells_full_memory(error.what_without_backtrace())) throw;
    return first_line(error);
  } catch (const UnavailableError& error) {
    if (error.code() != "G013") throw;
    return error.diagnostics().front().what;
  }
}

void halve_micro_batches(Run& run, const std::string& reason) {
  const int64_t from = run.plan.micro_batch_tokens;
  const int64_t to = halved(from, run.tried);
  // Ranks that pack differently would not share the rows of a step.
  const bool may = to >= 1 && run.state.halvings.size() < kMaxHalvings && !run.ranks.several();
  if (!may) refuse_to_halve(run, reason);
  run.optimizer->zero_grad();
  kernels::release_device_cache(run.job.model->device);
  run.plan.micro_batch_tokens = to;
  run.state.halvings.push_back({run.next_step() + 1, from, to});
  log_halving(run, run.state.halvings.back(), reason);
}

}  // namespace slmtune::train
