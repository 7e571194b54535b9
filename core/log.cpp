#include "core/log.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <mutex>

#include "core/text.h"

namespace slmtune {
namespace {

struct LogState {
  std::mutex mutex;
  Verbosity verbosity = Verbosity::kNormal;
  bool color = false;
  bool line_open = false;  // a progress line stands on the terminal without a newline
};

LogState& state() {
  static LogState instance;
  return instance;
}

// One fwrite per message, so that lines of several threads do not mix. Precondition: the mutex is
// held.
void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void put_line(std::string_view prefix, std::string_view text) {
  std::string line;
  if (state().line_open) line += "\r\x1b[K";
  state().line_open = false;
  line.append(prefix).append(printable(text)).append("\n");
  put(line);
}

}  // namespace

void set_up_log(Verbosity verbosity, bool color) {
  std::lock_guard lock(state().mutex);
  state().verbosity = verbosity;
  state().color = color;
}

void log_info(std::string_view text) {
  std::lock_guard lock(state().mutex);
  if (state().verbosity > Verbosity::kQuiet) put_line("", text);
}

void log_verbose(std::string_view text) {
  std::lock_guard lock(state().mutex);
  if (state().verbosity == Verbosity::kVerbose) put_line("", text);
}

void log_warning(std::string_view text) {
  std::lock_guard lock(state().mutex);
  if (state().verbosity == Verbosity::kSilent) return;
  put_line(state().color ? "\x1b[33mwarning:\x1b[0m " : "warning: ", text);
}

bool stderr_is_terminal() {
  static const bool answer = isatty(STDERR_FILENO) == 1;
  return answer;
}

bool log_is_quiet() {
  std::lock_guard lock(state().mutex);
  return state().verbosity <= Verbosity::kQuiet;
}

ProgressLine::ProgressLine(double seconds_between) : seconds_between_(seconds_between) {}

ProgressLine::~ProgressLine() {
  std::lock_guard lock(state().mutex);
  if (open_ && state().line_open) put("\r\x1b[K");
  if (open_) state().line_open = false;
}

void ProgressLine::show(const std::string& text) {
  bool terminal = stderr_is_terminal();
  double now = now_seconds();
  if (now - last_shown_ < (terminal ? 0.1 : seconds_between_)) return;
  last_shown_ = now;
  std::lock_guard lock(state().mutex);
  if (state().verbosity <= Verbosity::kQuiet) return;
  if (!terminal) return put_line("", text);
  put("\r" + text + "\x1b[K");
  open_ = state().line_open = true;
}

void ProgressLine::finish(const std::string& text) {
  std::lock_guard lock(state().mutex);
  open_ = false;
  if (state().verbosity > Verbosity::kQuiet) put_line("", text);
}

double now_seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace slmtune
