#include "models/families/llama_gguf.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "models/families/gguf_keys.h"
#include "models/families/pre_norm_names.h"

namespace slmtune::models {
namespace {

constexpr const char* kDivisors = "rope_freqs.weight";
// What every published model has; GGUF holds only their effect.
constexpr double kLowFactor = 1.0, kHighFactor = 4.0;
constexpr double kRounding = 1e-4;  // of divisors that other programs computed in float32

double wavelength(double theta, size_t pair, size_t pairs) {
  return 2.0 * std::numbers::pi *
         std::pow(theta, static_cast<double>(pair) / static_cast<double>(pairs));
}

// `turns`: how often the wave turns within the original context.
double divisor(double turns, const RopeScaling& rope) {
  if (turns < rope.low_freq_factor) return rope.factor;
  if (turns > rope.high_freq_factor) return 1.0;
  const double smooth =
      (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return 1.0 / ((1.0 - smooth) / rope.factor + smooth);
}

std::vector<float> divisors(double theta, size_t pairs, const RopeScaling& rope) {
  std::vector<float> values;
  for (size_t i = 0; i < pairs; ++i)
    values.push_back(static_cast<float>(divisor(
        static_cast<double>(rope.original_max_positions) / wavelength(theta, i, pairs), rope)));
  return values;
}

std::vector<GgufKey> keys(const ModelConfig& config) {
  return {{"rope.dimension_count", gguf_count(config.head_dim)},
          {"vocab_size", gguf_count(config.vocab_size)}};
}

std::vector<GgufVector> vectors(const ModelConfig& config) {
  if (config.rope.type != "llama3") return {};
  return {{kDivisors, llama3_divisors(config)}};
}

// The original context that gives these divisors; 0 when none does.
int64_t original_context(double theta, const std::vector<float>& found, double factor) {
  RopeScaling rope{"llama3", factor, kLowFactor, kHighFactor, 0};
  for (size_t i = 0; i < found.size(); ++i) {
    const double smooth = (1.0 / double{found[i]} - 1.0 / factor) / (1.0 - 1.0 / factor);
    const bool is_blend = smooth > kRounding && smooth < 1.0 - kRounding;
    // Without a blended pair the first stretched one tells, to the factor between two pairs.
    if (!is_blend && found[i] == 1.0f) continue;
    const double turns = is_blend ? kLowFactor + smooth * (kHighFactor - kLowFactor)
                                  : kLowFactor * (1.0 - kRounding);
    rope.original_max_positions = std::llround(turns * wavelength(theta, i, found.size()));
    break;
  }
  const std::vector<float> again = divisors(theta, found.size(), rope);
  const bool agrees = std::equal(again.begin(), again.end(), found.begin(), [](float a, float b) {
    return std::fabs(double{a} - double{b}) <= kRounding * double{b};
  });
  return agrees ? rope.original_max_positions : 0;
}

void read(Json& config, const GgufReading& file) {
  const auto found = file.vector(kDivisors);
  if (!found || found->empty()) return;
  const double factor = double{*std::max_element(found->begin(), found->end())};
  if (factor == 1.0) return;
  const int64_t original = factor > 1.0 && std::isfinite(factor)
                               ? original_context(config.at("rope_theta"), *found, factor)
                               : 0;
  if (original < 1)
    throw FileFormatError("F051", file.where,
                          "'rope_freqs.weight' scales the positions in a way that is not Llama 3's",
                          "use the Hugging Face folder of this model");
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", factor},
                            {"low_freq_factor", kLowFactor},
                            {"high_freq_factor", kHighFactor},
                            {"original_max_position_embeddings", original}};
}

}  // namespace

std::vector<float> llama3_divisors(const ModelConfig& config) {
  return divisors(config.rope_theta, static_cast<size_t>(config.head_dim / 2), config.rope);
}

GgufFacts llama_gguf_facts() {
  return {.architecture = "llama",
          .names = pre_norm_gguf_names(),
          .rope_types = {"default", "linear", "yarn", "llama3"},
          .permutes_query_key = true,
          .keys = keys,
          .vectors = vectors,
          .read = read};
}

}  // namespace slmtune::models
