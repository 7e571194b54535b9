// ", at file:line" of an instruction of this program, from its debug lines; empty for null or where
// no line is known.
#pragma once
#include <string>

namespace slmtune::emulator {

std::string code_place(const void* instruction);

}  // namespace slmtune::emulator
