#include "lora/variants/names.h"

namespace slmtune::lora {

std::vector<std::string> variant_names() {
  return {"lora", "rslora", "dora"};
}

}  // namespace slmtune::lora
