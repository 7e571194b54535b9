// The rules of a mixture applied to one tensor.
#include <charconv>

#include "core/error.h"
#include "export/mixtures/mixture.h"

namespace slmtune::exporting {
namespace {

// What takes the place of an encoding whose blocks do not divide a row; f16 where this does not
// either.
struct Fallback {
  std::string_view wanted, instead;
};
constexpr Fallback kFallbacks[] = {
    {"q2_k", "q4_0"}, {"q3_k", "q4_0"}, {"q4_k", "q5_0"}, {"q5_k", "q5_1"}, {"q6_k", "q8_0"}};

const Encoding& named(std::string_view name) {
  const Encoding* encoding = find_encoding(name);
  SLMTUNE_ASSERT(encoding != nullptr, "a mixture names an encoding that there is not");
  return *encoding;
}

// "blk.12.attn_v.weight" -> 12. Every layer has one tensor of each role, so this is also its number
// among those of its role, which llama.cpp counts.
int64_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int64_t layer = -1;
  if (name.starts_with(kPrefix))
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  SLMTUNE_ASSERT(layer >= 0, "a tensor of a layer without its number");
  return layer;
}

bool is_among(RuleLayers layers, int64_t layer, int64_t count) {
  switch (layers) {
    case RuleLayers::kAll:
      return true;
    case RuleLayers::kFirstTwo:
      return layer < 2;
    case RuleLayers::kFirstFour:
      return layer < 4;
    case RuleLayers::kFirstSixteenth:
      return layer < count / 16;
    case RuleLayers::kFirstEighth:
      return layer < count / 8;
    case RuleLayers::kMoreBits:
      return layer < count / 8 || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2;
  }
  return false;
}

bool holds(RuleCondition condition, const MixtureModel& model) {
  switch (condition) {
    case RuleCondition::kAlways:
      return true;
    case RuleCondition::kFourQueriesPerKey:
      return model.heads / model.kv_heads >= 4;
    case RuleCondition::kWithImportance:
      return model.has_importance;
    case RuleCondition::kWithoutImportance:
      return !model.has_importance;
  }
  return false;
}

std::string_view by_rules(const Mixture& mixture, TensorRole role, const TensorPlace& place) {
  for (const MixtureRule& rule : mixture.rules)
    if (rule.role == role && holds(rule.condition, place.model) &&
        is_among(rule.layers, layer_of(place.name), place.model.layers))
      return rule.encoding;
  return mixture.base;
}

// Eight query heads share a key head in these, so the matrix is small beside the others and more
// bits for it cost little.
bool is_70b(const MixtureModel& model) {
  if (model.layers != 80) return false;
  return model.architecture == "qwen2" ||
         (model.architecture == "llama" && model.heads != model.kv_heads);
}

std::string_view wanted(const Mixture& mixture, TensorRole role, const TensorPlace& place) {
  if (role == TensorRole::kOutput)
    return place.columns % named(mixture.base).block != 0 ? "q8_0" : mixture.output;
  const std::string_view name = by_rules(mixture, role, place);
  const bool is_small = name == "q3_k" || name == "q4_k";
  return role == TensorRole::kAttentionV && is_small && is_70b(place.model) ? "q5_k" : name;
}

StoredAs fitting(std::string_view name, int64_t columns) {
  if (columns % named(name).block == 0) return {&named(name), false};
  for (const Fallback& row : kFallbacks)
    if (row.wanted == name && columns % named(row.instead).block == 0)
      return {&named(row.instead), true};
  return {&named("f16"), true};
}

}  // namespace

TensorRole role_of(std::string_view gguf_name, int64_t dimensions) {
  const auto has = [&](std::string_view part) {
    return gguf_name.find(part) != std::string_view::npos;
  };
  if (dimensions < 2 || !gguf_name.ends_with("weight") || has("_norm.weight"))
    return TensorRole::kVector;
  if (gguf_name == "output.weight") return TensorRole::kOutput;
  if (has("attn_qkv.weight") || has("attn_v.weight")) return TensorRole::kAttentionV;
  if (has("attn_output.weight")) return TensorRole::kAttentionOutput;
  if (has("ffn_down")) return TensorRole::kFfnDown;
  return TensorRole::kOther;
}

StoredAs encoding_of(const Mixture& mixture, const TensorPlace& place) {
  TensorRole role = role_of(place.name, place.dimensions);
  if (role == TensorRole::kVector) return {&named("f32"), false};
  // An embedding that is the head, too, is stored as a head.
  if (place.name == "token_embd.weight" && !place.model.has_output) role = TensorRole::kOutput;
  return fitting(wanted(mixture, role, place), place.columns);
}

}  // namespace slmtune::exporting
