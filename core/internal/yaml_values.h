// Scalars of a YAML tree as numbers and flags, checked; a value that does not fit is added to the
// state's mistakes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/internal/yaml_tree.h"

namespace slmtune {

// "'abc'", "the text 'abc'", "a list", "a section", "nothing"
std::string shown_value(const YamlReader::Node& node);

// R003
void add_wrong_type(YamlReader::State& state, const YamlReader::Node& node,
                    const std::string& expected, const std::string& help = "");

// R003, R004, R022. `words` are named in the message as what may stand in place of a number.
std::optional<int64_t> checked_integer(YamlReader::State& state, const YamlReader::Node& node,
                                       const IntRange& range,
                                       const std::vector<std::string>& words = {});
std::optional<double> checked_number(YamlReader::State& state, const YamlReader::Node& node,
                                     const NumberRange& range,
                                     const std::vector<std::string>& words = {});

// R003, R023
std::optional<bool> checked_flag(YamlReader::State& state, const YamlReader::Node& node);

// R003, R005, R015 for one of `later`
std::optional<std::string> checked_choice(YamlReader::State& state, const YamlReader::Node& node,
                                          const std::vector<std::string>& names,
                                          const std::vector<std::string>& later = {});

}  // namespace slmtune
