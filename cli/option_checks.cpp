#include "cli/option_checks.h"

#include <fmt/format.h>

#include <charconv>

#include "core/text.h"
#include "kernels/device_word.h"

namespace slmtune::cli {
namespace {

template <typename Number>
std::string range_problem(const std::string& text, Number low, Number high, const char* kind) {
  Number value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool fits =
      error == std::errc() && stop == text.data() + text.size() && value >= low && value <= high;
  return fits
             ? ""
             : fmt::format("this must be {} from {} to {}, got '{}'", kind, low, high, shown(text));
}

}  // namespace

CLI::Validator one_of(std::vector<std::string> names) {
  auto check = [names = std::move(names)](const std::string& text) {
    for (const std::string& name : names)
      if (name == text) return std::string();
    return "this must be " + quoted_list(names) + ", got '" + shown(text) + "'";
  };
  return {check, ""};
}

CLI::Validator device_word() {
  return {[](const std::string& text) {
            if (kernels::parse_device_word(text)) return std::string();
            static const std::vector<std::string> words = {"auto", "cpu", "cuda", "cuda:N"};
            return "this must be " + quoted_list(words) + ", got '" + shown(text) + "'";
          },
          ""};
}

CLI::Validator whole_number(int64_t low, int64_t high) {
  return {[=](const std::string& text) { return range_problem(text, low, high, "a whole number"); },
          ""};
}

CLI::Validator decimal(double low, double high) {
  return {[=](const std::string& text) { return range_problem(text, low, high, "a number"); }, ""};
}

}  // namespace slmtune::cli
