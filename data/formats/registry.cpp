// The list of row shapes, in the order in which a row is matched. Adding one = one file and one
// line here.
#include <array>

#include "data/formats/shapes.h"

namespace slmtune::data {

std::span<const Format> formats() {
  // Rated answers first: they have the fields of other shapes too.
  static const std::array list = {preference_format(), kto_format(),    messages_format(),
                                  sharegpt_format(),   alpaca_format(), completion_format(),
                                  qa_format(),         tokens_format(), text_format()};
  return list;
}

const Format* find_format(std::string_view name) {
  for (const Format& format : formats())
    if (format.name == name) return &format;
  return nullptr;
}

}  // namespace slmtune::data
