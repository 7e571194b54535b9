// adapter_config.json of a PEFT folder, and the expressions in it that choose modules.
#include "core/json.h"
#include "lora/internal/peft_config.h"
#include "lora/targets.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kAdapterConfig("adapter_config", [](std::string_view input) {
  using namespace lora;
  read_or_refuse([&] {
    const auto path = write_input("adapter_config.json", input);
    const PeftConfig config = parse_peft_config(read_json(path), path.string());
    const std::string module = "model.layers.0.self_attn.q_proj";
    read_or_refuse([&] { Targets(config.lora.targets, "target_modules").matches(module); });
    read_or_refuse([&] { pattern_value(config.lora.rank_pattern, module, int64_t{8}); });
    read_or_refuse([&] { pattern_value(config.lora.alpha_pattern, module, 8.0); });
  });
});

}  // namespace slmtune::fuzz
