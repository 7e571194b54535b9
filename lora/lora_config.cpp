#include "lora/lora_config.h"

#include "core/error.h"
#include "lora/targets.h"
#include "lora/variants/names.h"

namespace slmtune::lora {
namespace {

void check_targets(LoraConfig& config, YamlReader& yaml) {
  if (config.targets.empty()) {
    yaml.wrong_value("R004", "targets", "'lora.targets' is empty",
                     "write all-linear, attention, mlp or a list such as [q_proj, v_proj]");
    return;
  }
  try {
    Targets(config.targets, yaml.where("targets"));
  } catch (const UserError& error) {
    const Diagnostic& diagnostic = error.diagnostics().front();
    yaml.wrong_value(diagnostic.code, "targets", diagnostic.what, diagnostic.help);
  }
}

void check_together(LoraConfig& config, YamlReader& yaml) {
  check_targets(config, yaml);
  if (config.variant == "dora" && config.init == "pissa")
    yaml.conflict("init", yaml.where("variant"),
                  "'lora.init: pissa' does not go together with 'lora.variant: dora'",
                  "leave one of them out");
}

}  // namespace

const FieldTable<LoraConfig>& LoraConfig::fields() {
  using T = LoraConfig;
  static const FieldTable<LoraConfig> table(
      {
          field(&T::variant, {.key = "variant",
                              .meaning = "kind of adapter: lora, scaled by alpha / rank; rslora, "
                                         "scaled by alpha / √rank; dora, which trains the lengths "
                                         "of the weights' rows by themselves",
                              .words = variant_names()}),
          field(&T::rank, {.key = "rank",
                           .meaning = "inner width of the adapter: more learns more and takes more "
                                      "memory",
                           .range = from_to(1, 1024)}),
          field(&T::alpha, {.key = "alpha",
                            .meaning = "strength of the adapter; twice the rank is common",
                            .range = above_to(0, 1e6)}),
          field(&T::dropout, {.key = "dropout",
                              .meaning = "share of the adapter's inputs that is left out at "
                                         "random while training",
                              .unit = "share",
                              .range = from_to(0, 0.9)}),
          field(&T::targets,
                {.key = "targets",
                 .meaning = "linear layers that get an adapter: all-linear, attention, "
                            "mlp, a list of names, or an expression 're:…'",
                 .is_one_or_many = true}),
          field(&T::init, {.key = "init",
                           .meaning = "what the adapter begins with: default changes nothing yet; "
                                      "pissa takes the largest singular vectors of each weight, "
                                      "which costs a decomposition of all of them",
                           .words = {"default", "pissa"}}),
          field(&T::plus_ratio, {.key = "plus_ratio",
                                 .meaning = "learning rate of the B matrices by that of the A "
                                            "matrices (LoRA+); 1 = the same",
                                 .range = from_to(1, 1000)}),
      },
      check_together);
  return table;
}

}  // namespace slmtune::lora
