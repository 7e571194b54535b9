#include "data/line_reader.h"

namespace slmtune::data {

LineReader::LineReader(const std::filesystem::path& path)
    : file_(path),
      rest_(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()) {
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

std::string_view LineReader::dropped() const {
  if (has_mark_ && has_returns_) return "a byte order mark and Windows line ends";
  return has_mark_ ? "a byte order mark" : has_returns_ ? "Windows line ends" : "";
}

}  // namespace slmtune::data
