#include "ops/hub/selection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>

#include "core/error.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::ops {
namespace {

constexpr std::array<std::string_view, 2> kConfigFiles = {"config.json", "generation_config.json"};
constexpr std::string_view kWeights = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";

struct Shard {
  int number, count;
};

// "model-00001-of-00002.safetensors"
std::optional<Shard> parse_shard(std::string_view name) {
  int number = 0, count = 0, length = 0;
  const std::string text(name);
  if (std::sscanf(text.c_str(), "model-%5d-of-%5d.safetensors%n", &number, &count, &length) != 2 ||
      static_cast<size_t>(length) != text.size() || text.size() != 32 || number < 1 ||
      number > count)
    return std::nullopt;
  return Shard{number, count};
}

bool is_one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool holds(const std::vector<RemoteFile>& files, std::string_view name) {
  return std::any_of(files.begin(), files.end(),
                     [&](const RemoteFile& file) { return file.name == name; });
}

bool any_ends_with(const std::vector<RemoteFile>& files,
                   std::initializer_list<std::string_view> endings) {
  return std::any_of(files.begin(), files.end(), [&](const RemoteFile& file) {
    return std::any_of(endings.begin(), endings.end(),
                       [&](std::string_view ending) { return file.name.ends_with(ending); });
  });
}

[[noreturn]] void refuse_weights(const std::vector<RemoteFile>& files, const std::string& where) {
  if (holds(files, "adapter_model.safetensors"))
    throw FileFormatError("H005", where, "the repository holds an adapter, not a model",
                          "pull the base model that its adapter_config.json names");
  if (any_ends_with(files, {".safetensors"}))
    throw FileFormatError("H005", where, "its safetensors are not in the layout of transformers",
                          "look for a repository of this model with 'model.safetensors'");
  if (any_ends_with(files, {".bin", ".pt", ".pth", ".ckpt"}))
    throw FileFormatError("H005", where,
                          "the weights are only there as pickles, which can run code when read",
                          "look for a repository of this model with '*.safetensors'");
  if (any_ends_with(files, {".gguf"}))
    throw FileFormatError("H005", where, "the weights are only there as GGUF, which is not trained",
                          "pull the repository that the GGUF files were made from");
  throw FileFormatError("H005", where, "the repository has no safetensors weights",
                        "check that this is a model and not a collection of something else");
}

// All shards 1..count of one set; several sets in one repository are as good as none.
std::vector<RemoteFile> select_shards(const std::vector<RemoteFile>& files,
                                      const std::string& where) {
  std::vector<RemoteFile> shards;
  int count = 0;
  for (const RemoteFile& file : files) {
    const auto shard = parse_shard(file.name);
    if (!shard) continue;
    if (count != 0 && shard->count != count)
      throw FileFormatError("H005", where, "the repository mixes two sets of weight files",
                            "name a revision that holds one set, after an @");
    count = shard->count;
    shards.push_back(file);
  }
  if (shards.empty()) refuse_weights(files, where);
  for (int number = 1; number <= count; ++number) {
    std::array<char, 48> name;
    std::snprintf(name.data(), name.size(), "model-%05d-of-%05d.safetensors", number, count);
    if (!holds(shards, name.data()))
      throw FileFormatError("H005", where,
                            "weight file '" + std::string(name.data()) + "' is missing there",
                            "name a revision that is complete, after an @");
  }
  if (!holds(files, kIndex))
    throw FileFormatError("H005", where, "'" + std::string(kIndex) + "' is missing there",
                          "name a revision that is complete, after an @");
  return shards;
}

}  // namespace

std::vector<RemoteFile> select_files(const std::vector<RemoteFile>& files,
                                     const std::string& where) {
  if (!holds(files, "config.json"))
    throw FileFormatError("H005", where, "the repository has no config.json",
                          "check that this is a model in the layout of transformers");
  const bool whole = holds(files, kWeights);
  std::vector<RemoteFile> result;
  if (!whole) result = select_shards(files, where);
  for (const RemoteFile& file : files) {
    // Mistral's repositories name a SentencePiece model by its version too.
    const bool small =
        is_one_of(kConfigFiles, file.name) || is_one_of(data::tokenizer_file_names(), file.name) ||
        (file.name.starts_with("tokenizer.model.v") && file.name.find('/') == std::string::npos);
    if (small || file.name == (whole ? kWeights : kIndex)) result.push_back(file);
  }
  std::sort(result.begin(), result.end(),
            [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; });
  return result;
}

}  // namespace slmtune::ops
