// Messages for people, on stderr. Data goes to stdout by the command itself. Never given text of the user's rows.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace slmtune {

// kSilent: no warning either, for a process that repeats what another one says.
enum class Verbosity { kSilent, kQuiet, kNormal, kVerbose };

// Called once by main before any command. `color`: false for --no-color, NO_COLOR or a stderr that is no TTY.
void set_up_log(Verbosity verbosity, bool color);

void log_info(std::string_view text);     // hidden by -q
void log_verbose(std::string_view text);  // shown by -v
void log_warning(std::string_view text);  // always shown, prefixed "warning: "

bool stderr_is_terminal();
bool log_is_quiet();

// A line that is rewritten in place on a TTY, and printed at most every `seconds_between` otherwise.
class ProgressLine {
 public:
  explicit ProgressLine(double seconds_between = 10.0);
  ~ProgressLine();                       // clears the line on a TTY
  void show(const std::string& text);    // cheap when called too often
  void finish(const std::string& text);  // last text, with a newline; shown off a TTY too

 private:
  double seconds_between_, last_shown_ = -1e9;
  bool open_ = false;
};

// Monotonic seconds.
double now_seconds();

}  // namespace slmtune
