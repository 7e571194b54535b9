#include "kernels/quant/names.h"

namespace slmtune::kernels {

std::vector<std::string> quant_names() {
  return {"none", "bf16", "nf4", "int8"};
}

}  // namespace slmtune::kernels
