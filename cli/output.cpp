#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "core/error.h"

namespace slmtune::cli {
namespace {

[[noreturn]] void fail() {
  if (errno == EPIPE) throw OutputClosed{};
  throw_io_error("stdout", "cannot write", errno);
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail();
}

void print_line(std::string_view text) {
  print(std::string(text) + "\n");
}

void print_json(const OrderedJson& object) {
  print_line(object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
}

bool stdout_is_terminal() {
  static const bool answer = isatty(STDOUT_FILENO) == 1;
  return answer;
}

}  // namespace slmtune::cli
