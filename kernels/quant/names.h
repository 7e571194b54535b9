// Names of the weight formats, for the recipe reader, which runs before LibTorch is loaded.
#pragma once
#include <string>
#include <vector>

namespace slmtune::kernels {

// In the order of quant_formats(): "none", "bf16", "nf4", "int8".
std::vector<std::string> quant_names();

}  // namespace slmtune::kernels
