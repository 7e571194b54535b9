#include "train/gpu_facts.h"

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "core/text.h"
#include "core/yaml_reader.h"

namespace slmtune::train {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

double required_number(YamlReader& yaml, const std::string& key, const NumberRange& range) {
  if (!yaml.has(key)) yaml.mistake("R006", "", "'" + key + "' is missing");
  return yaml.number(key, 1.0, range);
}

GpuFacts facts_of(YamlReader yaml) {
  GpuFacts facts;
  facts.name = yaml.required_text("name");
  facts.title = yaml.text("title", facts.name);
  facts.memory_gib = required_number(yaml, "memory_gib", above_to(0, 10'000));
  facts.bandwidth_gb_per_s = required_number(yaml, "bandwidth_gb_per_s", above_to(0, 1e6));
  facts.bf16_tflops = required_number(yaml, "bf16_tflops", above_to(0, 1e6));
  facts.float32_tflops = yaml.number("float32_tflops", facts.bf16_tflops / 2, above_to(0, 1e6));
  facts.board_watts = required_number(yaml, "board_watts", above_to(0, 1e5));
  facts.efficiency = yaml.number("efficiency", 0.65, above_to(0, 1));
  facts.efficiency_spread = yaml.number("efficiency_spread", 0.25, from_to(0, 0.9));
  facts.context_gib = yaml.number("context_gib", 0.5, from_to(0, 100));
  facts.measured = yaml.flag("measured", false);
  yaml.finish();
  return facts;
}

// "NVIDIA GeForce RTX 4070 Ti" and "rtx-4070-ti" alike: "4070ti".
std::string core_of(const std::string& text) {
  std::string core;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      core += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string& word :
       {std::string("nvidia"), std::string("geforce"), std::string("rtx")})
    if (const size_t at = core.find(word); at != std::string::npos) core.erase(at, word.size());
  return core;
}

// The card of this name, or all whose names begin so.
std::vector<GpuFacts> matches(const std::string& text) {
  const std::string wanted = core_of(text);
  std::vector<GpuFacts> found;
  for (const GpuFacts& card : all_gpus()) {
    const std::string core = core_of(card.name);
    if (core == wanted) return {card};
    if (!wanted.empty() && core.starts_with(wanted)) found.push_back(card);
  }
  return found;
}

[[noreturn]] void refuse(const std::string& text, const std::vector<GpuFacts>& found) {
  std::vector<std::string> names;
  for (const GpuFacts& card : found) names.push_back(card.name);
  const bool several = !found.empty();
  if (!several)
    for (const GpuFacts& card : all_gpus()) names.push_back(card.name);
  const std::string nearest = several ? "" : nearest_name(text, names);
  throw UserError(
      "U008", "--gpu",
      "'" + shown(text) +
          (several ? "' may be any of several cards" : "' is no card that slmtune knows"),
      nearest.empty() ? "use " + quoted_list(names) + ", or a facts file of your own (*.yaml)"
                      : "did you mean '" + nearest + "'?");
}

}  // namespace

uint64_t GpuFacts::memory_bytes() const {
  return static_cast<uint64_t>(memory_gib * kGib);
}

uint64_t GpuFacts::context_bytes() const {
  return static_cast<uint64_t>(context_gib * kGib);
}

std::vector<GpuFacts> all_gpus() {
  std::vector<GpuFacts> cards;
  for (const auto& [name, text] : embedded_gpus())
    cards.push_back(
        facts_of(YamlReader::from_string(std::string(text), std::string(name) + ".yaml")));
  std::sort(cards.begin(), cards.end(), [](const GpuFacts& a, const GpuFacts& b) {
    return std::pair(a.memory_gib, a.bf16_tflops) < std::pair(b.memory_gib, b.bf16_tflops);
  });
  return cards;
}

GpuFacts find_gpu(const std::string& text) {
  if (text.ends_with(".yaml") || text.ends_with(".yml"))
    return facts_of(YamlReader::from_file(text));
  std::vector<GpuFacts> found = matches(text);
  if (found.size() != 1) refuse(text, found);
  return found.front();
}

std::optional<GpuFacts> known_gpu(const std::string& title) {
  std::vector<GpuFacts> found = matches(title);
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

}  // namespace slmtune::train
