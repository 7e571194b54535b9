// What differs between two snapshots, of one store or of two.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "store/manifest.h"

namespace slmtune::store {

struct Difference {
  std::string name;
  std::string left, right;  // "" = not there
};

struct SnapshotDiff {
  bool is_same_content = false;      // the same weights, tokenizer and model settings
  std::vector<Difference> origin;    // method, base, data, tokenizer, template, parent, version
  std::vector<Difference> settings;  // of the recipe; empty when one of them kept no recipe
  std::vector<Difference> scores;    // every score of either, also the equal ones
  std::vector<Difference> files;     // sizes, or hashes of files of the same size
};

SnapshotDiff diff_snapshots(const std::filesystem::path& left, const std::filesystem::path& right);

// A resolved recipe as "train.epochs" → "2"; items of a list by their place: "data.train[0]".
std::map<std::string, std::string> flat_recipe(const std::string& text);

}  // namespace slmtune::store
