// What a run leaves behind: <store>/runs/<utc-time>-<id>/ with recipe.yaml, log.jsonl,
// events.out.tfevents.*, summary.json and checkpoints/.
//
//   RunFolder run = RunFolder::create(store, recipe_text);
//   run.log(1, {{"step", 1}, {"loss", 2.5}});
//   run.finish(summary);
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/json.h"

namespace slmtune::train {

class RunFolder {
 public:
  static RunFolder create(const std::filesystem::path& store, const std::string& recipe_text);
  static RunFolder open(const std::filesystem::path& folder);  // N001
  // The newest unfinished run of the store whose recipe.yaml equals `recipe_text` byte for byte.
  static std::optional<RunFolder> find_resumable(const std::filesystem::path& store,
                                                 const std::string& recipe_text);

  const std::filesystem::path& path() const { return path_; }
  // One JSON line in log.jsonl, and its numbers as TensorBoard scalars at `step`: "valid_loss" is
  // valid/loss, any other key train/<key>. A number that is not finite is null in the line and left
  // out of the scalars.
  void log(int64_t step, const OrderedJson& record);
  // log.jsonl cut back to lines up to `step`, and a new event file, when a run goes on from a
  // checkpoint.
  void rewind(int64_t step);
  void finish(const OrderedJson& summary);  // writes summary.json: the run is complete

 private:
  explicit RunFolder(std::filesystem::path path);
  std::filesystem::path path_, events_;
};

}  // namespace slmtune::train
