#include "models/families/family.h"

namespace slmtune::models {

const Family* find_family(std::string_view architecture) {
  for (const Family& family : families())
    if (family.architecture == architecture) return &family;
  return nullptr;
}

}  // namespace slmtune::models
