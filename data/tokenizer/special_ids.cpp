#include "data/tokenizer/special_ids.h"

#include <algorithm>

#include "core/json.h"

namespace slmtune::data {
namespace {

// Texts that end a turn in every family that has them.
constexpr std::string_view kEndOfTurn[] = {"<|im_end|>",    "<|eot_id|>", "<|eom_id|>",
                                           "<|endoftext|>", "<|end|>",    "<end_of_turn>"};

Json read_optional(const std::filesystem::path& path) {
  Json json = std::filesystem::exists(path) ? read_json(path) : Json::object();
  return json.is_object() ? json : Json::object();
}

// The text of "eos_token": "…" or {"content": "…"}.
std::string token_text(const Json& config, const std::string& key) {
  auto found = config.find(key);
  if (found == config.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_object() || !found->contains("content") || !(*found)["content"].is_string())
    return {};
  return (*found)["content"].get<std::string>();
}

// "eos_token_id": 7 or [7, 8].
std::vector<int64_t> listed_ids(const Json& config, const std::string& key) {
  auto found = config.find(key);
  if (found == config.end()) return {};
  std::vector<int64_t> ids;
  auto take = [&](const Json& value) {
    if (value.is_number_integer()) ids.push_back(value.get<int64_t>());
  };
  if (found->is_array())
    for (const Json& value : *found) take(value);
  else
    take(*found);
  return ids;
}

}  // namespace

SpecialIds SpecialIds::read(const std::filesystem::path& folder,
                            const std::function<std::optional<int32_t>(std::string_view)>& id_of,
                            const std::function<bool(int64_t)>& exists) {
  const Json tokenizer = read_optional(folder / "tokenizer_config.json");
  const Json generation = read_optional(folder / "generation_config.json");
  const Json model = read_optional(folder / "config.json");
  auto find = [&](const std::string& name) -> std::optional<int32_t> {
    if (const std::string text = token_text(tokenizer, name); !text.empty())
      if (auto id = id_of(text)) return id;
    for (const Json* config : {&model, &generation})
      for (int64_t id : listed_ids(*config, name + "_id"))
        if (exists(id)) return static_cast<int32_t>(id);
    return std::nullopt;
  };
  SpecialIds ids{find("bos_token"), find("eos_token"), find("pad_token"), {}, {}};
  // transformers then makes the post-processor anew, and puts BOS in front only where it says so.
  if (tokenizer.contains("add_bos_token") || tokenizer.contains("add_eos_token"))
    ids.adds_bos = tokenizer.contains("add_bos_token") && tokenizer["add_bos_token"] == true;
  if (ids.eos) ids.add_stop(*ids.eos);
  for (const Json* config : {&model, &generation})
    for (int64_t id : listed_ids(*config, "eos_token_id"))
      if (exists(id)) ids.add_stop(static_cast<int32_t>(id));
  ids.add_end_of_turn(id_of);
  return ids;
}

void SpecialIds::add_end_of_turn(
    const std::function<std::optional<int32_t>(std::string_view)>& id_of) {
  for (std::string_view text : kEndOfTurn)
    if (auto id = id_of(text)) add_stop(*id);
}

void SpecialIds::add_stop(int32_t id) {
  const auto place = std::lower_bound(stop.begin(), stop.end(), id);
  if (place == stop.end() || *place != id) stop.insert(place, id);
}

}  // namespace slmtune::data
