// The wish to stop (Ctrl-C, SIGTERM). A command that may be asked installs the handlers of
// cli/signals.h; whatever works for long calls check_stop() between its rows, batches, tokens and
// tensors. The exception unwinds, so that unfinished files are removed; main dies by the signal.
//
//   for (const TensorSource& tensor : tensors) {
//     check_stop();
//     write(tensor);
//   }
#pragma once

namespace slmtune {

// Not an Error: there is nothing to report.
struct StopRequested {
  int signal = 0;
};

void request_stop(int signal) noexcept;  // safe in a signal handler
int stop_requested() noexcept;           // the signal, 0 = none

// Throws StopRequested when a stop was asked for, unless a StopDeferred lives. May be called by any
// thread that passes exceptions on.
void check_stop();

// While one lives check_stop() lets everybody go on: for work that stops at a point of its own, as
// training does after saving a checkpoint.
class StopDeferred {
 public:
  StopDeferred() noexcept;
  ~StopDeferred();
  StopDeferred(const StopDeferred&) = delete;
  StopDeferred& operator=(const StopDeferred&) = delete;
};

}  // namespace slmtune
