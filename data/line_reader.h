// Lines of a JSONL file, mapped: a byte order mark at the start and '\r' before '\n' are dropped,
// blank lines skipped.
//
//   for (LineReader lines(path); lines.next();) use(lines.number(), lines.text());
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/mapped_file.h"

namespace slmtune::data {

class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path);

  bool next();
  int64_t number() const { return number_; }  // counts from 1, blank lines too
  std::string_view text() const { return text_; }
  // What was dropped so far, in words for a note; "" when nothing was.
  std::string_view dropped() const;

 private:
  MappedFile file_;
  std::string_view rest_, text_;
  int64_t number_ = 0;
  bool has_mark_ = false, has_returns_ = false;
};

}  // namespace slmtune::data
