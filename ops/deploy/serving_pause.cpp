#include "ops/deploy/serving_pause.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

void warn(const std::string& target, const std::string& what) {
  log_warning("target '" + target + "': " + what);
}

// Asked at every training, so without opening any place. A record that cannot be read is told of
// when it is needed.
bool has_left_targets(const fs::path& store) {
  for (const std::string& name : deployed_targets(store)) try {
      if (read_state(store, name).is_paused) return true;
    } catch (const Error& error) {
      log_verbose(error.what());
    }
  return false;
}

// False for one that is not there: it holds nothing.
bool has_unloaded(const fs::path& store, const ServedTarget& target) {
  try {
    return target.place->unload(read_state(store, target.name));
  } catch (const Error& error) {
    warn(target.name, error.diagnostics().front().what);
    return false;
  }
}

}  // namespace

std::vector<ServedTarget> served_targets(const fs::path& store) {
  std::vector<ServedTarget> targets;
  for (const std::string& name : deployed_targets(store)) {
    try {
      const DeployState state = read_state(store, name);
      if (!state.current) continue;
      PlaceContext context;
      context.store = store;
      context.target = read_target(store, name, "", {});
      context.model = context.target.model.value_or("");
      targets.push_back({name, make_place(std::move(context)), state.is_paused, nullptr});
    } catch (const Error& error) {
      warn(name, error.diagnostics().front().what);
    }
  }
  return targets;
}

ServingPause::ServingPause(fs::path store, std::vector<ServedTarget> targets,
                           const std::string& command, const PauseLimits& limits)
    : store_(std::move(store)), targets_(std::move(targets)), begin_(now_seconds()) {
  try {
    for (ServedTarget& target : targets_) unload(target, command);
    if (has_servers()) wait(limits);
  } catch (...) {
    end();
    throw;
  }
}

ServingPause::~ServingPause() {
  end();
}

// The record says so first: whoever comes after a kill must know.
void ServingPause::unload(ServedTarget& target, const std::string& command) {
  target.lock = std::make_unique<FileLock>(target_lock(store_, target.name), command);
  try {
    mark(target.name, true);
    if (has_unloaded(store_, target) || target.was_left) {
      paused_.push_back(&target);
      log_info("target '" + target.name + "' does not serve while this trains");
      return;
    }
    mark(target.name, false);
  } catch (const Error& error) {
    warn(target.name, error.diagnostics().front().what);
  }
  target.lock.reset();
}

void ServingPause::mark(const std::string& target, bool is_paused) const {
  DeployState state = read_state(store_, target);
  state.is_paused = is_paused;
  write_state(store_, state);
}

void ServingPause::wait(const PauseLimits& limits) const {
  const double until = now_seconds() + limits.patience_seconds;
  for (uint64_t free = limits.free_bytes(); free < limits.needed_bytes;
       free = limits.free_bytes()) {
    check_stop();
    if (now_seconds() >= until)
      throw BusyError("V009", "memory",
                      fmt::format("training needs {} and {} are free",
                                  human_bytes(limits.needed_bytes), human_bytes(free)),
                      "try again later, or stop the program that holds the memory");
    std::this_thread::sleep_for(std::chrono::duration<double>(limits.between_seconds));
  }
}

void ServingPause::load(ServedTarget& target) noexcept {
  try {
    DeployState state = read_state(store_, target.name);
    target.place->load(state, [&] { write_state(store_, state); });
    mark(target.name, false);
  } catch (const Error& error) {
    warn(target.name, "does not serve again: " + error.diagnostics().front().what);
  } catch (const std::exception& error) {
    log_verbose(error.what());
    warn(target.name, "does not serve again");
  }
  target.lock.reset();
}

void ServingPause::end() noexcept {
  if (paused_.empty()) return;
  const StopDeferred to_the_end;  // a training that is stopped gives the servers back, too
  for (ServedTarget* target : paused_) load(*target);
  paused_.clear();
  const double gap = now_seconds() - begin_;
  log_info("nobody was served for " +
           (gap < 60 ? fmt::format("{:.1f} s", gap) : human_seconds(gap)));
}

std::unique_ptr<ServingPause> pause_when_short(
    const fs::path& store, const std::string& command, const PauseLimits& limits,
    const std::function<std::vector<ServedTarget>(const fs::path&)>& targets_of) {
  const bool is_short = limits.free_bytes() < limits.needed_bytes;
  if (!is_short && !has_left_targets(store)) return nullptr;
  std::vector<ServedTarget> targets = targets_of(store);
  if (!is_short) std::erase_if(targets, [](const ServedTarget& one) { return !one.was_left; });
  auto pause = std::make_unique<ServingPause>(store, std::move(targets), command, limits);
  return pause->has_servers() ? std::move(pause) : nullptr;
}

}  // namespace slmtune::ops
