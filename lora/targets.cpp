#include "lora/targets.h"

#include "core/error.h"

namespace slmtune::lora {
namespace {

const std::map<std::string, std::vector<std::string>>& groups() {
  static const std::map<std::string, std::vector<std::string>> rows = {
      {"attention", {"q_proj", "k_proj", "v_proj", "o_proj"}},
      {"mlp", {"gate_proj", "up_proj", "down_proj"}}};
  return rows;
}

bool ends_with_part(const std::string& module, const std::string& suffix) {
  return module == suffix || module.ends_with("." + suffix);
}

}  // namespace

std::regex compile_expression(const std::string& text, const std::string& where) {
  constexpr size_t kLongestExpression = 4096;  // std::regex recurses by length
  if (text.size() > kLongestExpression)
    throw UserError("R061", where, "the regular expression is longer than 4096 characters");
  try {
    return std::regex(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw UserError("R061", where, "'" + text + "' is not a regular expression: " + error.what(),
                    R"(write it as in 're:.*\.(q_proj|v_proj)')");
  }
}

Targets::Targets(const std::vector<std::string>& targets, const std::string& where) {
  for (const std::string& text : targets) {
    Rule rule;
    rule.text = text;
    if (text == "all-linear") {
      rule.all = true;
    } else if (text.starts_with("re:")) {
      rule.is_expression = true;
      rule.expression = compile_expression(text.substr(3), where);
    } else if (const auto group = groups().find(text); group != groups().end()) {
      rule.suffixes = group->second;
    } else {
      rule.suffixes = {text};
    }
    rules_.push_back(std::move(rule));
  }
}

bool Targets::matches(const std::string& module) {
  bool matched = false;
  for (Rule& rule : rules_) {
    bool hit = rule.all || (rule.is_expression && std::regex_match(module, rule.expression));
    for (const std::string& suffix : rule.suffixes) hit = hit || ends_with_part(module, suffix);
    rule.used = rule.used || hit;
    matched = matched || hit;
  }
  return matched;
}

std::vector<std::string> Targets::unused() const {
  std::vector<std::string> texts;
  for (const Rule& rule : rules_)
    if (!rule.used) texts.push_back(rule.text);
  return texts;
}

}  // namespace slmtune::lora
