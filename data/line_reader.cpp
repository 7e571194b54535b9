#include "data/line_reader.h"

namespace slmtune::data {

LineReader::LineReader(const std::filesystem::path& path)
    : file_(path),
      rest_(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()) {
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
}

bool LineReader::next() {
  while (!rest_.empty()) {
    const size_t end = rest_.find('\n');
    text_ = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++number_;
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    if (text_.find_first_not_of(" \t\r") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace slmtune::data
