// llama.cpp takes a model for Phi-3 by the letters in general.name, and then lets its special
// tokens swallow the blanks behind them (src/llama-vocab.cpp).
#pragma once
#include <cstddef>
#include <string>

namespace slmtune::exporting {

struct NamedPart {
  size_t start = std::string::npos;  // nowhere
  size_t size = 0;
  explicit operator bool() const { return start != std::string::npos; }
};

// "phi3" or "phi-3" in `name`, in letters of any case.
NamedPart find_phi3(const std::string& name);

}  // namespace slmtune::exporting
