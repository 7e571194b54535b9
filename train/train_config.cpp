#include "train/train_config.h"

#include <algorithm>
#include <limits>

#include "core/text.h"

namespace slmtune::train {
namespace {

// NumberRange is closed; these keys leave one end out.
double above_zero(YamlReader& yaml, const std::string& key, double fallback, double high) {
  double value = yaml.number(key, fallback, {0.0, high});
  if (value > 0.0) return value;
  yaml.mistake("R004", key, "'" + key + "' must be greater than 0");
  return fallback;
}

double below_one(YamlReader& yaml, const std::string& key, double fallback) {
  double value = yaml.number(key, fallback, {0.0, 1.0});
  if (value < 1.0) return value;
  yaml.mistake("R004", key, "'" + key + "' must be less than 1");
  return fallback;
}

std::optional<int64_t> integer_or_auto(YamlReader& yaml, const std::string& key, IntRange range) {
  if (!yaml.is_text(key, "auto")) return yaml.optional_integer(key, range);
  yaml.accept(key);
  return std::nullopt;
}

}  // namespace

TrainConfig TrainConfig::parse(YamlReader section) {
  constexpr double kMinutesOfYear = 366.0 * 24 * 60;
  TrainConfig config;
  config.epochs = above_zero(section, "epochs", config.epochs, 1000.0);
  config.max_steps = section.optional_integer("max_steps", {1, 1'000'000'000});
  config.micro_batch_tokens = integer_or_auto(section, "micro_batch_tokens", {16, 1'048'576});
  config.batch_rows = section.integer("batch_rows", config.batch_rows, {1, 65'536});
  config.learning_rate = above_zero(section, "learning_rate", config.learning_rate, 1.0);
  config.schedule = section.choice("schedule", config.schedule, {"constant", "linear", "cosine"});
  config.warmup = below_one(section, "warmup", config.warmup);
  config.optimizer = section.choice("optimizer", config.optimizer, {"adamw"});
  config.weight_decay = section.number("weight_decay", config.weight_decay, {0.0, 10.0});
  config.beta1 = below_one(section, "beta1", config.beta1);
  config.beta2 = below_one(section, "beta2", config.beta2);
  config.epsilon = above_zero(section, "epsilon", config.epsilon, 1.0);
  config.clip_norm = section.number("clip_norm", config.clip_norm, {0.0, 1e9});
  config.seed = static_cast<uint64_t>(section.integer("seed", static_cast<int64_t>(config.seed),
                                                      {0, std::numeric_limits<int64_t>::max()}));
  config.save_minutes = above_zero(section, "save_minutes", config.save_minutes, kMinutesOfYear);
  if (section.has("max_minutes"))
    config.max_minutes = above_zero(section, "max_minutes", 1.0, kMinutesOfYear);
  else
    section.accept("max_minutes");
  config.loss_chunk = section.integer("loss_chunk", config.loss_chunk, {1, 1'048'576});
  return config;
}

EvalConfig EvalConfig::parse(YamlReader section) {
  static const std::vector<std::string> kMetrics = {"loss", "exact_match", "f1"};
  EvalConfig config;
  config.every = section.number("every", config.every, {0.0, 1000.0});
  config.metrics = section.texts("metrics", config.metrics);
  for (const std::string& metric : config.metrics) {
    if (std::find(kMetrics.begin(), kMetrics.end(), metric) != kMetrics.end()) continue;
    std::string nearest = nearest_name(metric, kMetrics);
    section.mistake("R005", "metrics", "unknown metric '" + shown(metric) + "'",
                    nearest.empty() ? "choose from " + quoted_list(kMetrics)
                                    : "did you mean '" + nearest + "'?");
  }
  return config;
}

}  // namespace slmtune::train
