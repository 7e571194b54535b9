// Collects what is wrong with rows, so that all bad lines are reported at once.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"

namespace slmtune::data {

class BadRows {
 public:
  void add(std::string code, std::string place, std::string what, std::string help = "") {
    if (++count_ <= kListed)
      listed_.push_back({std::move(code), std::move(place), std::move(what), std::move(help), {}});
  }

  // UserError with the first 20 and the number of the rest. `file` names where they are.
  void throw_if_any(const std::string& file) {
    if (listed_.empty()) return;
    if (count_ > kListed)
      listed_.push_back({listed_.front().code,
                         file,
                         std::to_string(count_ - kListed) + " more bad rows",
                         "",
                         {}});
    throw UserError(std::move(listed_));
  }

 private:
  static constexpr int64_t kListed = 20;
  int64_t count_ = 0;
  std::vector<Diagnostic> listed_;
};

[[noreturn]] inline void throw_no_rows(const std::string& file) {
  throw UserError("D001", file, "the file has no rows", "write one JSON object per line");
}

}  // namespace slmtune::data
