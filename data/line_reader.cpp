#include "data/line_reader.h"

#include <string>

#include "core/log.h"

namespace slmtune::data {

LineReader::LineReader(const std::filesystem::path& path)
    : file_(path),
      all_(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()),
      rest_(all_) {
  has_mark_ = rest_.starts_with("\xEF\xBB\xBF");
  if (has_mark_) rest_.remove_prefix(3);
}

bool LineReader::next() {
  while (!rest_.empty()) {
    const size_t end = rest_.find('\n');
    text_ = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++number_;
    if (text_.ends_with('\r')) {
      text_.remove_suffix(1);
      has_returns_ = true;
    }
    if (text_.find_first_not_of(" \t\r") != std::string_view::npos) return true;
  }
  return false;
}

void LineReader::say_dropped(const std::filesystem::path& path) const {
  if (!has_mark_ && !has_returns_) return;
  const std::string what = has_mark_ && has_returns_ ? "a byte order mark and Windows line ends"
                           : has_mark_               ? "a byte order mark"
                                                     : "Windows line ends";
  log_info("note: " + path.string() + ": left out " + what);
}

double LineReader::share() const {
  if (all_.empty()) return 1.0;
  return 1.0 - static_cast<double>(rest_.size()) / static_cast<double>(all_.size());
}

void LineReader::release() {
  constexpr size_t kPiece = 4u << 20;
  const size_t read = all_.size() - rest_.size();
  if (read - released_ < kPiece) return;
  release_pages(file_.bytes().subspan(released_, read - released_));
  released_ = read;
}

}  // namespace slmtune::data
