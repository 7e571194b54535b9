#include "core/stop.h"

#include <atomic>

namespace slmtune {
namespace {

// Lock-free, so that a signal handler may write it.
std::atomic<int> asked_by = 0;
std::atomic<int> deferred = 0;
static_assert(std::atomic<int>::is_always_lock_free);

}  // namespace

void request_stop(int signal) noexcept {
  asked_by = signal;
}

int stop_requested() noexcept {
  return asked_by;
}

void check_stop() {
  const int signal = stop_requested();
  if (signal != 0 && deferred == 0) throw StopRequested{signal};
}

StopDeferred::StopDeferred() noexcept {
  ++deferred;
}

StopDeferred::~StopDeferred() {
  --deferred;
}

}  // namespace slmtune
