// A small file that is part of the program (cmake/embed_texts.cmake).
#pragma once
#include <span>
#include <string_view>

namespace slmtune {

struct EmbeddedText {
  std::string_view name;  // of the file, without its ending
  std::string_view text;
};

}  // namespace slmtune
