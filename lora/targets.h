// Which linears get an adapter: the words of `lora.targets` against module names.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "lora/expression.h"

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
    std::vector<std::string> suffixes;
    std::optional<Expression> expression;
    bool all = false, used = false;
  };
  std::vector<Rule> rules_;
};

// PEFT's rank_pattern and alpha_pattern: keys are expressions matched on the end of the module
// name. PEFT takes the first that fits in the order of the file; where that order would matter the
// adapter is refused (F061).
template <typename Value>
Value pattern_value(const std::map<std::string, Value>& patterns, const std::string& module,
                    Value fallback) {
  std::optional<Value> found;
  for (const auto& [key, value] : patterns) {
    if (!Expression("(.*\\.)?(" + key + ")", key).matches(module)) continue;
    if (found && *found != value)
      throw FileFormatError(
          "F061", "adapter_config.json", "two patterns with different values fit '" + module + "'",
          "name the module in one of rank_pattern's or alpha_pattern's keys only");
    found = value;
  }
  return found.value_or(fallback);
}

}  // namespace slmtune::lora
