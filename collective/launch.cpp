#include "collective/launch.h"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::collective {
namespace {

constexpr int kMostRanks = 1 << 16;
constexpr double kMostSeconds = 7 * 24 * 3600.0;

[[noreturn]] void refuse(const std::string& name, const std::string& what,
                         const std::string& help) {
  throw UserError("P001", name, what, help);
}

// A launcher's names for the same numbers.
struct Names {
  Launcher launcher;
  const char *rank, *size, *local_rank, *local_size;
};

constexpr Names kTorchrun = {Launcher::kTorchrun, "RANK", "WORLD_SIZE", "LOCAL_RANK",
                             "LOCAL_WORLD_SIZE"};
constexpr Names kMpi = {Launcher::kMpi, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                        "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Names kSlurm = {Launcher::kSlurm, "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", ""};

class Variables {
 public:
  explicit Variables(const Environment& variable) : variable_(variable) {}

  bool has(const char* name) const { return text(name) != nullptr; }
  // An empty variable is one that is not set.
  const char* text(const char* name) const {
    const char* found = *name ? variable_(name) : nullptr;
    return found && *found ? found : nullptr;
  }

  int number(const char* name, int low, int high) const {
    const char* found = text(name);
    if (!found) refuse(name, std::string("'") + name + "' is not set", "set it as torchrun does");
    return checked(name, found, low, high);
  }
  int number_or(const char* name, int low, int high, int otherwise) const {
    return has(name) ? number(name, low, high) : otherwise;
  }

  double seconds(const char* name, double otherwise) const {
    const char* found = text(name);
    if (!found) return otherwise;
    char* end = nullptr;
    const double value = std::strtod(found, &end);
    if (*end != '\0' || !(value > 0 && value <= kMostSeconds))
      refuse(name, "'" + shown(found) + "' is no number of seconds", "for example 600");
    return value;
  }

 private:
  static int checked(const char* name, std::string_view found, int low, int high) {
    int value = 0;
    const char* end = found.data() + found.size();
    const auto [stop, error] = std::from_chars(found.data(), end, value);
    if (error != std::errc() || stop != end || value < low || value > high)
      refuse(name,
             "'" + shown(std::string(found)) + "' is no whole number from " + std::to_string(low) +
                 " to " + std::to_string(high),
             "the launcher sets it; unset RANK, WORLD_SIZE and their like to train in one process");
    return value;
  }

  const Environment& variable_;
};

// Slurm sets SLURM_NTASKS for the whole job, in its batch script too; only what srun starts is one
// of several.
std::optional<Names> names_of(const Variables& variables) {
  if (variables.has(kTorchrun.rank) || variables.has(kTorchrun.size)) return kTorchrun;
  if (variables.has(kMpi.rank)) return kMpi;
  if (variables.has(kSlurm.rank) && variables.has("SLURM_STEP_ID")) return kSlurm;
  return std::nullopt;
}

// Processes of this machine; 0 where the launcher does not say.
int local_size(const Variables& variables, const Names& names, const Launch& launch) {
  if (names.launcher == Launcher::kSlurm)
    return variables.number_or("SLURM_NNODES", 1, kMostRanks, 0) == 1 ? launch.size : 0;
  return variables.number_or(names.local_size, 1, launch.size, 0);
}

void add_address(const Variables& variables, Launch& launch) {
  const char* address = variables.text("MASTER_ADDR");
  if (address)
    launch.address = address;
  else if (launch.local_size == launch.size)
    launch.address = "127.0.0.1";
  launch.port = static_cast<uint16_t>(variables.number_or("MASTER_PORT", 1, 65535, launch.port));
  const char* agent = variables.text("TORCHELASTIC_USE_AGENT_STORE");
  launch.has_agent = agent && std::string_view(agent) == "True";
  if (const char* attempt = variables.text("TORCHELASTIC_RESTART_COUNT")) launch.attempt = attempt;
}

std::vector<std::string> parts_of(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

}  // namespace

Launch launch_of(const Environment& variable) {
  const Variables variables(variable);
  Launch launch;
  launch.patience = variables.seconds("SLMTUNE_RANK_SECONDS", launch.patience);
  const std::optional<Names> names = names_of(variables);
  if (!names) return launch;
  launch.size = variables.number(names->size, 1, kMostRanks);
  launch.rank = variables.number(names->rank, 0, launch.size - 1);
  if (!launch.several()) return launch;
  launch.launcher = names->launcher;
  launch.local_size = local_size(variables, *names, launch);
  const int otherwise = launch.local_size == launch.size ? launch.rank : 0;
  launch.local_rank = variables.number_or(names->local_rank, 0, launch.size - 1, otherwise);
  add_address(variables, launch);
  return launch;
}

Launch launch_of_environment() {
  return launch_of([](const char* name) -> const char* { return std::getenv(name); });
}

std::string visible_gpu(const Launch& launch, const char* visible) {
  if (!launch.several()) return "";
  if (!visible) return std::to_string(launch.local_rank);
  const std::vector<std::string> gpus = parts_of(visible);
  if (gpus.size() <= 1) return "";
  const auto own = static_cast<size_t>(launch.local_rank);
  if (own >= gpus.size())
    refuse("CUDA_VISIBLE_DEVICES",
           "process " + std::to_string(launch.local_rank) + " of this machine has no GPU: only " +
               std::to_string(gpus.size()) + " are visible",
           "start as many processes on a machine as it has GPUs");
  return gpus[own];
}

}  // namespace slmtune::collective
