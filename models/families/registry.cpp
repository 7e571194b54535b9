#include "models/families/family.h"
#include "models/families/internal/rows.h"

namespace slmtune::models {

std::span<const Family> families() {
  static const std::vector<Family> rows = {llama_family(), qwen2_family(), mistral_family(),
                                           gemma2_family(), phi3_family()};
  return rows;
}

}  // namespace slmtune::models
