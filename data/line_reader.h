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
  // A note, if anything was dropped.
  void say_dropped(const std::filesystem::path& path) const;
  double share() const;  // of the file that was read, 0 to 1

  // Hands the memory of the lines before the next one back, a few MiB at a time: a file may be
  // larger than the memory. Their text() is then read from the file again.
  void release();

 private:
  MappedFile file_;
  std::string_view all_, rest_, text_;
  size_t released_ = 0;
  int64_t number_ = 0;
  bool has_mark_ = false, has_returns_ = false;
};

}  // namespace slmtune::data
