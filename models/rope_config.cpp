#include "models/rope_config.h"

#include <algorithm>
#include <cmath>

namespace slmtune::models {
namespace {

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::string type_of(const ConfigReader& rope, std::span<const std::string_view> types) {
  const std::string key = rope.given("rope_type") ? "rope_type" : "type";
  if (!rope.given(key)) return "default";
  std::string type = rope.text(key);
  const auto known = [&](const std::string& name) {
    return std::find(types.begin(), types.end(), name) != types.end();
  };
  // The first Phi-3 files call longrope "su" or "yarn".
  if (!known(type) && (type == "su" || type == "yarn") && known("longrope")) type = "longrope";
  if (!known(type)) rope.refuse("rope_type", "'" + type + "'", joined(types));
  return type;
}

void read_llama3(RopeScaling& rope, const ConfigReader& keys) {
  rope.low_freq_factor = keys.positive("low_freq_factor");
  rope.high_freq_factor = keys.positive("high_freq_factor");
  if (rope.high_freq_factor <= rope.low_freq_factor)
    keys.fail("F052", "'high_freq_factor' must be above 'low_freq_factor'");
}

// Peng et al. 2023, "YaRN", with the defaults of transformers.
void read_yarn(RopeScaling& rope, const ConfigReader& keys) {
  rope.beta_fast = keys.positive_or("beta_fast", 32.0);
  rope.beta_slow = keys.positive_or("beta_slow", 1.0);
  rope.truncate = keys.flag("truncate", true);
  rope.attention_factor = yarn_magnitude(rope.factor);
  if (keys.given("mscale") && keys.given("mscale_all_dim"))
    rope.attention_factor = yarn_magnitude(rope.factor, keys.positive("mscale")) /
                            yarn_magnitude(rope.factor, keys.positive("mscale_all_dim"));
  rope.attention_factor = keys.positive_or("attention_factor", rope.attention_factor);
}

// Ding et al. 2024, "LongRoPE", as in Phi-3.
void read_longrope(RopeScaling& rope, const ConfigReader& keys, int64_t rotary_dim) {
  for (const auto& [key, factors] : {std::pair{"short_factor", &rope.short_factors},
                                     std::pair{"long_factor", &rope.long_factors}}) {
    *factors = keys.positive_list(key);
    if (static_cast<int64_t>(2 * factors->size()) != rotary_dim)
      keys.fail("F052", "'" + std::string(key) + "' has " + std::to_string(factors->size()) +
                            " numbers; " + std::to_string(rotary_dim) +
                            " rotating channels need half as many");
  }
  const auto original = static_cast<double>(rope.original_max_positions);
  if (rope.factor > 1.0) {
    if (original <= 1.0) keys.fail("F052", "'original_max_position_embeddings' is 1");
    rope.attention_factor = std::sqrt(1.0 + std::log(rope.factor) / std::log(original));
  }
  rope.attention_factor = keys.positive_or("attention_factor", rope.attention_factor);
}

// transformers prefers the key of the model over that of the scaling.
int64_t original_positions(const ConfigReader& keys, const ConfigReader& rope,
                           int64_t max_positions) {
  const std::string key = "original_max_position_embeddings";
  return (keys.given(key) ? keys : rope).size_or(key, max_positions, kMaxPositions);
}

void read_scaling(ModelConfig& config, const ConfigReader& keys, const ConfigReader& rope) {
  RopeScaling& scaling = config.rope;
  if (scaling.type == "default") return;
  const bool has_original = scaling.type != "linear" && scaling.type != "dynamic";
  if (has_original)
    scaling.original_max_positions = original_positions(keys, rope, config.max_positions);
  const bool may_infer = scaling.type == "yarn" || scaling.type == "longrope";
  scaling.factor = may_infer && !rope.given("factor")
                       ? static_cast<double>(config.max_positions) /
                             static_cast<double>(scaling.original_max_positions)
                       : rope.positive("factor");
  if (scaling.type == "llama3") read_llama3(scaling, rope);
  if (scaling.type == "yarn") read_yarn(scaling, rope);
  if (scaling.type == "longrope") read_longrope(scaling, rope, config.rotary_dim);
}

// An odd number of channels turns one more, with frequencies by the odd number, as in transformers.
int64_t rotating_channels(const ConfigReader& keys, int64_t head_dim, double share) {
  const auto channels = static_cast<int64_t>(static_cast<double>(head_dim) * share);
  if (channels < 1 || channels + channels % 2 > head_dim)
    keys.fail("F052", "the head size is " + std::to_string(head_dim) + " and " +
                          std::to_string(channels) +
                          " of its channels turn; rotary positions need an even number");
  return channels;
}

}  // namespace

double yarn_magnitude(double factor, double weight) {
  return factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

void read_rope(ModelConfig& config, const ConfigReader& keys,
               std::span<const std::string_view> types, bool has_partial_rotation) {
  const bool is_old = keys.given("rope_scaling") && !keys.value("rope_scaling").empty();
  const bool is_given = is_old || keys.given("rope_parameters");
  const ConfigReader rope = is_given ? keys.inside(is_old ? "rope_scaling" : "rope_parameters")
                                     : ConfigReader(Json::object(), "");
  for (const char* nested : {"full_attention", "sliding_attention"})
    if (rope.given(nested)) rope.refuse(nested, "given", "one rope for all layers");
  config.rope.type = type_of(rope, types);
  config.rope_theta = (rope.given("rope_theta") ? rope : keys).positive_or("rope_theta", 10000.0);
  const std::string partial = "partial_rotary_factor";
  const double share = (rope.given(partial) ? rope : keys).positive_or(partial, 1.0);
  if (share != 1.0 && !has_partial_rotation) keys.refuse(partial, Json(share).dump(), "1.0");
  config.rotary_dim = rotating_channels(keys, config.head_dim, share);
  read_scaling(config, keys, rope);
}

}  // namespace slmtune::models
