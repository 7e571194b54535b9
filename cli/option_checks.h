// Checks of option values with messages of our own; usage_error() puts the option's name in front.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cli/command_line.h"

namespace slmtune::cli {

CLI::Validator one_of(std::vector<std::string> names);
// auto, cpu, cuda or cuda:N.
CLI::Validator device_word();
CLI::Validator whole_number(int64_t low, int64_t high);
CLI::Validator decimal(double low, double high);

}  // namespace slmtune::cli
