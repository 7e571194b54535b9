// The words that other fine-tuning tools use for our recipe keys and values, so that a recipe written from
// habit gets an answer.
#pragma once
#include <string_view>

namespace slmtune {

struct ForeignKey {
  std::string_view foreign;  // last part of the key, as the other tool writes it
  std::string_view ours;     // dotted recipe key
  std::string_view note;     // where the meaning differs; may be empty
};

// nullptr when no tool we know uses that word.
const ForeignKey* find_foreign_key(std::string_view key);

// Our word for a value that other tools know by another one ("paged_adamw_8bit"); empty when no
// tool we know uses it.
std::string_view find_foreign_word(std::string_view word);

}  // namespace slmtune
