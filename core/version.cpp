#include "core/version.h"

namespace slmtune {

std::string_view version() {
  return SLMTUNE_VERSION;
}

}  // namespace slmtune
