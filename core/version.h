// The program's version, from CMake.
#pragma once
#include <string_view>

namespace slmtune {
std::string_view version();
}  // namespace slmtune
