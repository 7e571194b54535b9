#include "lora/expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::lora {
namespace {

PCRE2_SPTR bytes(const std::string& text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

Expression::Expression(const std::string& text, std::string where)
    : text_(text), where_(std::move(where)) {
  constexpr size_t kLongest = 4096;
  if (text.size() > kLongest)
    throw UserError("R061", where_, "the regular expression is longer than 4096 characters");
  int error = 0;
  PCRE2_SIZE place = 0;
  pcre2_code* code = pcre2_compile(bytes(text), text.size(), 0, &error, &place, nullptr);
  if (code == nullptr) {
    std::array<unsigned char, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    throw UserError("R061", where_,
                    "'" + shown(text) + "' is not a regular expression: " +
                        reinterpret_cast<const char*>(message.data()) + " at character " +
                        std::to_string(place + 1),
                    R"(write it as in 're:.*\.(q_proj|v_proj)')");
  }
  code_ = std::shared_ptr<const void>(code, [code](const void*) { pcre2_code_free(code); });
}

bool Expression::matches(const std::string& name) const {
  constexpr uint32_t kSteps = 1'000'000, kHeapKibibytes = 16 * 1024;
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> limits(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  pcre2_set_match_limit(limits.get(), kSteps);
  pcre2_set_heap_limit(limits.get(), kHeapKibibytes);
  const int found = pcre2_match(code, bytes(name), name.size(), 0,
                                PCRE2_ANCHORED | PCRE2_ENDANCHORED, data.get(), limits.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  throw UserError("R061", where_,
                  "the regular expression '" + shown(text_) + "' takes too long to match",
                  "write it without nested repetitions such as (.*)*");
}

}  // namespace slmtune::lora
