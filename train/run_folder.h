// What a run leaves behind: <store>/runs/<utc-time>-<id>/ with recipe.yaml, log.jsonl,
// events.out.tfevents.*, checkpoints/ and, once it is complete, summary.json. Ids count the store's
// runs up, so that the newest is known even when the clock was set back.
//
//   RunFolder run = RunFolder::create(store, recipe_text);
//   run.log(1, {{"step", 1}, {"loss", 2.5}});
//   run.finish(summary);
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace slmtune::train {

class RunFolder {
 public:
  static RunFolder create(const std::filesystem::path& store, const std::string& recipe_text);
  static RunFolder open(const std::filesystem::path& folder);  // N001
  // Runs of the store that were started after its last complete one, newest first.
  static std::vector<RunFolder> unfinished(const std::filesystem::path& store);

  const std::filesystem::path& path() const { return path_; }
  std::string name() const { return path_.filename().string(); }
  bool is_complete() const;  // summary.json is there
  // One JSON line in log.jsonl, and its numbers as TensorBoard scalars at `step`: "valid_loss" is
  // valid/loss, any other key train/<key>. A number that is not finite is null in the line and left
  // out of the scalars.
  void log(int64_t step, const OrderedJson& record);
  // Everything logged so far reaches the disk, as a checkpoint that follows it does.
  void sync_log() const;
  // log.jsonl cut back to what a checkpoint of `step` has done, and a new event file: a run goes on
  // from it. `validated`: the validation at `step` is among it.
  void rewind(int64_t step, bool validated);
  // What is known of the run before its snapshot is published; null when nothing was set. Should
  // the program end between publishing and finish(), the next one has it from here.
  void set_outcome(const OrderedJson& outcome);
  OrderedJson outcome() const;
  void finish(const OrderedJson& summary);  // writes summary.json: the run is complete

 private:
  explicit RunFolder(std::filesystem::path path);
  std::filesystem::path path_, events_;
};

}  // namespace slmtune::train
