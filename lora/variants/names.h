// Names of the LoRA variants, for the recipe reader, which runs before LibTorch is loaded.
#pragma once
#include <string>
#include <vector>

namespace slmtune::lora {

// In the order of variants(): recipe words of lora.variant.
std::vector<std::string> variant_names();

}  // namespace slmtune::lora
