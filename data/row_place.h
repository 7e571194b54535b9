// Gives an error about a row the row's place, which the code that renders and tokenises does not
// know:
//
//   Tokens tokens = at_place("faq.jsonl:12", [&] { return tokenise(example, tokenizer, chat); });
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace slmtune::data {

// What `work` returns. A UserError of it without a place is thrown with `place`.
template <typename Work>
auto at_place(const std::string& place, const Work& work) {
  try {
    return work();
  } catch (const UserError& error) {
    std::vector<Diagnostic> diagnostics = error.diagnostics();
    for (Diagnostic& one : diagnostics)
      if (one.where.empty()) one.where = place;
    throw UserError(std::move(diagnostics));
  }
}

}  // namespace slmtune::data
