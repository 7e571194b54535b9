#include "lora/lora_config.h"

#include "core/error.h"
#include "lora/targets.h"
#include "lora/variants/names.h"

namespace slmtune::lora {
namespace {

std::vector<std::string> read_targets(YamlReader& section,
                                      const std::vector<std::string>& fallback) {
  if (!section.is_list("targets")) return {section.text("targets", fallback.front())};
  std::vector<std::string> targets = section.texts("targets", fallback);
  if (!targets.empty()) return targets;
  section.mistake("R004", "targets", "'lora.targets' is empty",
                  "write all-linear, attention, mlp or a list such as [q_proj, v_proj]");
  return fallback;
}

}  // namespace

LoraConfig LoraConfig::parse(YamlReader section) {
  LoraConfig config;
  config.variant = section.choice("variant", config.variant, variant_names());
  config.rank = section.integer("rank", config.rank, {1, 1024});
  config.alpha = section.number("alpha", config.alpha, {0.0, 1e6});
  if (config.alpha == 0.0)
    section.mistake("R004", "alpha", "'lora.alpha' is 0, which would switch the adapter off",
                    "a common choice is twice the rank");
  config.dropout = section.number("dropout", config.dropout, {0.0, 0.9});
  config.targets = read_targets(section, config.targets);
  try {
    Targets(config.targets, section.where("targets"));
  } catch (const UserError& error) {
    const Diagnostic& diagnostic = error.diagnostics().front();
    section.mistake(diagnostic.code, "targets", diagnostic.what, diagnostic.help);
  }
  return config;
}

}  // namespace slmtune::lora
