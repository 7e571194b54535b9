#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/disk_space.h"
#include "core/text.h"

namespace slmtune {
namespace {

// More would scroll the first ones away.
constexpr size_t kShownMistakes = 20;

std::string format_all(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (size_t i = 0; i < std::min(diagnostics.size(), kShownMistakes); ++i) {
    if (i > 0) text += "\n\n";
    text += format_diagnostic(diagnostics[i]);
  }
  if (diagnostics.size() > kShownMistakes)
    text += "\n\nand " + std::to_string(diagnostics.size() - kShownMistakes) + " more";
  return text;
}

struct IoCase {
  const char* code;
  const char* help;
};

IoCase io_case(int errno_value) {
  switch (errno_value) {
    case EACCES:
    case EPERM:
    case EROFS:
      return {"W003", "check who owns the folder and whether it may be written"};
    case ENOENT:
    case ENOTDIR:
    case EEXIST:
    case EISDIR:
    case ENOTEMPTY:
    case ENAMETOOLONG:
    case ELOOP:
      return {"W004", "check that the folder exists and that the name is free"};
    default:
      return {"W001", "check the disk, its cable or the network share"};
  }
}

}  // namespace

std::string format_diagnostic(const Diagnostic& diagnostic) {
  std::string text;
  if (!diagnostic.where.empty()) text += printable(diagnostic.where) + ": ";
  text += "error[" + diagnostic.code + "]: " + printable(diagnostic.what);
  if (!diagnostic.excerpt.empty()) text += "\n" + printable(diagnostic.excerpt);
  if (!diagnostic.help.empty()) text += "\nhelp: " + printable(diagnostic.help);
  return text;
}

Error::Error(std::vector<Diagnostic> diagnostics)
    : diagnostics_(std::move(diagnostics)), text_(format_all(diagnostics_)) {}

void throw_io_error(const std::string& path, const std::string& what, int errno_value) {
  if (errno_value == ENOSPC || errno_value == EDQUOT) throw_disk_full(path, 0);
  std::string reason = std::strerror(errno_value);
  // Our messages are lower case; "Input/output error" and "No space left on device" are not.
  if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z')
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  IoCase io = io_case(errno_value);
  throw IoError(io.code, path, what + ": " + reason, io.help);
}

void throw_io_error(const std::filesystem::filesystem_error& error) {
  throw_io_error(error.path1().string(), "cannot work with this file", error.code().value());
}

}  // namespace slmtune
