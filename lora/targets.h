// Which linears get an adapter: the words of `lora.targets` against module names.
#pragma once
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace slmtune::lora {

// A compiled list of targets.
class Targets {
 public:
  // UserError R061 with `where` for a bad regular expression.
  Targets(const std::vector<std::string>& targets, const std::string& where);
  bool matches(const std::string& module);
  // Targets that matched no module so far.
  std::vector<std::string> unused() const;

 private:
  struct Rule {
    std::string text;
    std::vector<std::string> suffixes;  // empty: every linear, or the expression
    bool all = false, is_expression = false, used = false;
    std::regex expression;
  };
  std::vector<Rule> rules_;
};

// `text` as a regular expression (ECMAScript). UserError R061 with `where`.
std::regex compile_expression(const std::string& text, const std::string& where);

// PEFT's rank_pattern and alpha_pattern: keys are expressions matched on the end of the module name, first one wins.
template <typename Value>
Value pattern_value(const std::map<std::string, Value>& patterns, const std::string& module,
                    Value fallback) {
  for (const auto& [key, value] : patterns)
    if (std::regex_match(module, compile_expression("(.*\\.)?(" + key + ")", key))) return value;
  return fallback;
}

}  // namespace slmtune::lora
