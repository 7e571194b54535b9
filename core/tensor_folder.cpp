#include <algorithm>
#include <cctype>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "core/text.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexName = "model.safetensors.index.json";

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

// A shard's name comes from a file somebody else wrote: it must not lead out of the folder.
bool is_plain_file_name(const std::string& name) {
  return name.size() > 12 && name.ends_with(".safetensors") && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
         });
}

WeightMap read_index(const fs::path& path) {
  Json index = read_json(path);
  const std::string where = path.string(), help = "fetch the index file again";
  auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty())
    throw FileFormatError("F014", where, "'weight_map' is missing or no table of tensors", help);
  WeightMap result;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_file_name(file.get<std::string>()))
      throw FileFormatError(
          "F014", where, "the shard of tensor '" + shown(tensor) + "' is no plain file name", help);
    result[tensor] = file.get<std::string>();
  }
  return result;
}

// The index and one shard must agree about the shard's tensors.
void check_shard(const SafetensorsFile& shard, const WeightMap& index, const std::string& where) {
  for (const auto& [name, view] : shard.tensors()) {
    auto found = index.find(name);
    if (found == index.end() || found->second != shard.path().filename())
      throw FileFormatError("F014", where,
                            "shard '" + shard.path().filename().string() + "' holds tensor '" +
                                shown(name) + "', which the index puts elsewhere",
                            "fetch the index and all shards of one revision");
  }
}

[[noreturn]] void throw_no_weights(const fs::path& folder) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable))
    if (has_pickle_name(entry.path()))
      refuse_pickle(entry.path(), "save the model with safe_serialization=True in transformers");
  throw UserError("N001", folder.string(), "no 'model.safetensors' in this folder",
                  "name the folder that holds config.json and the weights");
}

}  // namespace

bool has_pickle_name(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt";
}

void refuse_pickle(const fs::path& path, const std::string& help) {
  throw FileFormatError("F015", path.string(), "pickled weights are not read, they can run code",
                        help);
}

TensorFolder TensorFolder::open(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw UserError("N001", folder.string(), "no such folder", "name the model's folder");
  TensorFolder result;
  result.path_ = folder;
  auto add = [&](const fs::path& file) {
    result.files_.push_back(std::make_unique<SafetensorsFile>(SafetensorsFile::open(file)));
    for (const auto& [name, view] : result.files_.back()->tensors()) result.tensors_[name] = &view;
  };
  if (fs::exists(folder / "model.safetensors", ignored)) {
    add(folder / "model.safetensors");
    return result;
  }
  if (!fs::exists(folder / kIndexName, ignored)) throw_no_weights(folder);

  const std::string where = (folder / kIndexName).string();
  WeightMap index = read_index(folder / kIndexName);
  std::set<std::string> shards;
  for (const auto& [tensor, file] : index) shards.insert(file);
  for (const std::string& shard : shards) {
    add(folder / shard);
    check_shard(*result.files_.back(), index, where);
  }
  for (const auto& [tensor, file] : index)
    if (!result.contains(tensor))
      throw FileFormatError("F014", where,
                            "tensor '" + shown(tensor) + "' is missing in shard '" + file + "'",
                            "fetch the index and all shards of one revision");
  return result;
}

const TensorView& TensorFolder::at(const std::string& name) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw FileFormatError("F013", path_.string(), "tensor '" + shown(name) + "' is missing",
                          "check that config.json belongs to these weights");
  return *found->second;
}

}  // namespace slmtune
