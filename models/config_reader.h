// Checked access to the keys of a config.json, for model_config.cpp and the family files: every
// mistake is a FileFormatError that names the file and the key.
//
//   config.sliding_window = keys.given("sliding_window") ? keys.size("sliding_window", limit) : 0;
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"

namespace slmtune::models {

// More positions than any model has; keeps sums of two far from overflow.
inline constexpr int64_t kMaxPositions = 1 << 27;

class ConfigReader {
 public:
  // `prefix` stands before keys in messages ("rope_scaling."). F004 when `json` is no object.
  ConfigReader(Json json, std::string where, std::string prefix = "");

  bool given(const std::string& key) const;  // there and not null
  const Json& value(const std::string& key) const { return json_.at(key); }
  // 1 … high; F003 missing, F004 no whole number, F052 out of range.
  int64_t size(const std::string& key, int64_t high) const;
  int64_t size_or(const std::string& key, int64_t fallback, int64_t high) const;
  // The numbers of `key`, a token id or a list of them; F004.
  std::vector<int64_t> ids(const std::string& key) const;
  // Above 0 (F052); `fallback` when not given.
  double positive(const std::string& key) const;
  double positive_or(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback = false) const;  // F004
  std::string text(const std::string& key) const;                  // F003, F004
  std::vector<double> positive_list(const std::string& key) const;
  // The object under `key`.
  ConfigReader inside(const std::string& key) const;

  // F051: "'key' is value, which is not supported", with what is.
  [[noreturn]] void refuse(const std::string& key, const std::string& value,
                           const std::string& supported) const;
  [[noreturn]] void fail(const std::string& code, const std::string& what,
                         const std::string& help = "") const;

 private:
  Json json_;
  std::string where_, prefix_;
};

}  // namespace slmtune::models
