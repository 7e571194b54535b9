#include "lora/targets.h"

namespace slmtune::lora {
namespace {

const std::map<std::string, std::vector<std::string>>& groups() {
  static const std::map<std::string, std::vector<std::string>> rows = {
      {"attention", {"q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj"}},
      {"mlp", {"gate_proj", "up_proj", "gate_up_proj", "down_proj"}}};
  return rows;
}

bool ends_with_part(const std::string& module, const std::string& suffix) {
  return module == suffix || module.ends_with("." + suffix);
}

}  // namespace

Targets::Targets(const std::vector<std::string>& targets, const std::string& where) {
  for (const std::string& text : targets) {
    Rule rule;
    rule.text = text;
    if (text == "all-linear") {
      rule.all = true;
    } else if (text.starts_with("re:")) {
      rule.expression.emplace(text.substr(3), where);
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
    bool hit = rule.all || (rule.expression && rule.expression->matches(module));
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
