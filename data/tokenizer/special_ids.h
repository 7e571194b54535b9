// Special ids of a model folder, from tokenizer_config.json, generation_config.json and
// config.json.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace slmtune::data {

struct SpecialIds {
  std::optional<int32_t> bos, eos, pad;
  std::vector<int32_t> stop;  // ascending, no duplicates
  std::optional<bool>
      adds_bos;  // what tokenizer_config.json says, over what the tokenizer's file does

  void add_stop(int32_t id);
  // The texts that end a turn in any family, wherever the vocabulary has them.
  void add_end_of_turn(const std::function<std::optional<int32_t>(std::string_view)>& id_of);

  // `id_of` finds the id of a token's text; `exists` tells whether the vocabulary has an id. Ids
  // that it lacks are ignored.
  static SpecialIds read(const std::filesystem::path& folder,
                         const std::function<std::optional<int32_t>(std::string_view)>& id_of,
                         const std::function<bool(int64_t)>& exists);
};

}  // namespace slmtune::data
