// What this machine does in a second, measured before a run that is long enough to be worth it, and
// how long the run will therefore take.
#pragma once
#include <optional>

#include "cli/engine/memory_choice.h"
#include "train/machine_probe.h"
#include "train/utilisation.h"

namespace slmtune::cli {

// The work of a run: all its tokens and the operations that each takes.
struct RunWork {
  double tokens = 0;
  train::FlopsPerToken flops;  // of a token, what is done once for all steps spread over them
  double step_passes = 0;      // forward passes of a step beside its own, per token
  int devices = 1;             // that share it, each as fast as this one
};
RunWork run_work(const Recipe& recipe, const TrainRows& rows, const MemoryChoice& memory);

// Probes the device, up to 2 s on a GPU and a tenth of one on the CPU (its large products alone),
// and says on stderr what it does and how long the run will take. None for a run that would be over
// before its speed means something.
std::optional<train::MachineRates> calibrate(const RunWork& work, const MemoryChoice& memory,
                                             const kernels::DeviceChoice& device);

// For the log's lines; none without rates.
std::optional<train::UtilisationMeter> make_meter(const RunWork& work, const MemoryChoice& memory,
                                                  const std::optional<train::MachineRates>& rates);

// For summary.json: the rates by name; null without any.
OrderedJson rates_json(const std::optional<train::MachineRates>& rates);

// "790 TFLOP/s".
std::string rate_text(double per_second, const std::string& unit);

}  // namespace slmtune::cli
