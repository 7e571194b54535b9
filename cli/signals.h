// Ctrl-C and SIGTERM of commands that write files: the first one asks to stop (core/stop.h), the
// second ends the program at once. Commands that only read leave the signals as they are.
#pragma once

namespace slmtune::cli {

// Handlers are in place while an object of this class lives.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
};

// Dies by `signal` with its default action, so that the shell sees 128 + signal.
[[noreturn]] void die_by_signal(int signal);

// Writes to a closed pipe give an error instead of killing the program in the middle of a training
// run.
void ignore_broken_pipes();

}  // namespace slmtune::cli
