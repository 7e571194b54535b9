// The recipe's `data:` section. `train` is a path, a list of paths or a list of {path, weight}; `valid` is a path, {path}
// or {fraction}. A folder as `train` stands for its train.jsonl, and for its valid.jsonl when no `valid` is given.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/field_table.h"

namespace slmtune::data {

struct Source {
  std::filesystem::path path;  // a .jsonl file, or a folder with train.jsonl / valid.jsonl
  double weight = 1.0;         // 2.0 = each row twice an epoch, 0.5 = half of the rows
  std::string where = {};      // place in the recipe, for errors
};

struct Replay {
  double fraction = 0.0;  // of the present rows; 0 = none, and none are kept for later
};

struct DataConfig {
  std::vector<Source> train;
  std::optional<std::filesystem::path> valid;
  double valid_fraction = 0.0;    // used when `valid` has no path
  Replay replay;
  std::string format = "auto";
  int64_t max_tokens = 2048;
  std::string too_long = "refuse";  // refuse | drop | truncate
  bool pack = true;

  static const FieldTable<DataConfig>& fields();
};

}  // namespace slmtune::data
