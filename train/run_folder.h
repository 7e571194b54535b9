// What a run leaves behind: <store>/runs/<utc-time>-<id>/ with recipe.yaml, log.jsonl, events.out.tfevents.*, summary.json
// and checkpoints/.
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
  static RunFolder open(const std::filesystem::path& folder);
  // The newest unfinished run of the store whose recipe.yaml equals `recipe_text` byte for byte.
  static std::optional<RunFolder> find_resumable(const std::filesystem::path& store, const std::string& recipe_text);

  const std::filesystem::path& path() const { return path_; }
  // One JSON line in log.jsonl and its numbers as TensorBoard scalars at `step`.
  void log(int64_t step, const OrderedJson& record);
  // log.jsonl cut back to lines up to `step`, when a run goes on from a checkpoint.
  void rewind(int64_t step);
  void finish(const OrderedJson& summary);  // writes summary.json: the run is complete

 private:
  explicit RunFolder(std::filesystem::path path);
  std::filesystem::path path_, events_;
};

}  // namespace slmtune::train
