// Memory for a training that does not fit beside the servers: every server that its store deploys
// to is asked to unload, and serves again when the pause ends, however it ends.
//
//   const auto pause = pause_when_short(store, command, {.needed_bytes = plan, .free_bytes = ask});
//   ... train ...
//   pause->end();               // or its destructor; says how long nobody was served
//
// A target that is paused says so in its record and is locked. After a kill the record is left: the
// next deploy to it, or the next training in the store, has it serve again.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/file_lock.h"
#include "ops/deploy/place.h"

namespace slmtune::ops {

struct PauseLimits {
  uint64_t needed_bytes = 0;
  std::function<uint64_t()> free_bytes;  // for the training, at the moment
  double patience_seconds = 120;
  double between_seconds = 0.5;
};

// A target with the place that it is.
struct ServedTarget {
  std::string name;
  std::unique_ptr<Place> place;
  bool was_left = false;           // a training that was killed had paused it
  std::unique_ptr<FileLock> lock;  // of a pause
};

// Of all targets that the store has deployed to. Those that cannot be read are passed over with a
// warning: a broken record must not keep anybody from training.
std::vector<ServedTarget> served_targets(const std::filesystem::path& store);

class ServingPause {
 public:
  // Unloads, and waits until the memory is free if that gave any. BusyError V009 after the
  // patience, L001 where somebody deploys to a target meanwhile: with everything loaded again. A
  // server that cannot be reached holds nothing, or has to be stopped by hand: a warning.
  ServingPause(std::filesystem::path store, std::vector<ServedTarget> targets,
               const std::string& command, const PauseLimits& limits);
  ~ServingPause();
  ServingPause(const ServingPause&) = delete;
  ServingPause& operator=(const ServingPause&) = delete;

  // Whether there is a server that the end of the pause brings back.
  bool has_servers() const { return !paused_.empty(); }
  // Loads what was unloaded; once. Failures are warnings.
  void end() noexcept;

 private:
  void unload(ServedTarget& target, const std::string& command);
  void mark(const std::string& target, bool is_paused) const;
  void load(ServedTarget& target) noexcept;
  void wait(const PauseLimits& limits) const;

  std::filesystem::path store_;
  std::vector<ServedTarget> targets_;
  std::vector<ServedTarget*> paused_;
  double begin_ = 0;
};

// The pause that a training needs which finds less memory free than it needs. Null where enough is
// free (then only servers that a killed training has left are taken, to serve again at the end) and
// where no server had anything to unload. Errors as ServingPause.
std::unique_ptr<ServingPause> pause_when_short(
    const std::filesystem::path& store, const std::string& command, const PauseLimits& limits,
    const std::function<std::vector<ServedTarget>(const std::filesystem::path&)>& targets_of =
        served_targets);

}  // namespace slmtune::ops
