// What a Jinja chat template is made of, read without running it: enough to recognise a template
// that we know.
#pragma once
#include <set>
#include <string>
#include <string_view>

namespace slmtune::data {

struct JinjaFacts {
  std::string emitted;   // text that it prints, in order: plain text and literals of {{ }} and {%
                         // set %}, not ['keys']
  std::string literals;  // all string literals, each followed by '\n'
  std::set<std::string> words;  // names, keywords and filters

  bool prints(std::string_view text) const { return emitted.find(text) != std::string::npos; }
  bool says(std::string_view text) const { return literals.find(text) != std::string::npos; }
  bool uses(const std::string& word) const { return words.contains(word); }

  // With trim_blocks and lstrip_blocks, as transformers renders. Unbalanced tags end the reading.
  static JinjaFacts read(std::string_view jinja);
};

}  // namespace slmtune::data
