// How far a pull is: one bar for all files on a terminal, a line per finished file otherwise.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "core/log.h"
#include "ops/hub/listing.h"

namespace slmtune::ops {

// Thrown where work can end between two steps after the user asked to stop; everything written so
// far stays.
struct PullStopped {};

// Bytes per second over the last eight seconds, so that a stall shows soon and one slow second does
// not.
class RateMeter {
 public:
  void add(double seconds, uint64_t bytes_in_all);
  double bytes_per_second() const;  // 0 before the second call

 private:
  std::deque<std::pair<double, uint64_t>> samples_;
};

// "[=====>    ]  53 %  1.6 GiB of 3.1 GiB  54.0 MiB/s  28 s left"
std::string progress_text(uint64_t received, uint64_t total, double bytes_per_second);

class PullProgress {
 public:
  PullProgress(uint64_t total_bytes, std::function<bool()> should_stop);

  // `received` of the total are there. Throws PullStopped when the user wants to stop.
  void update(uint64_t received);
  void finished(const RemoteFile& file, const std::string& origin);

 private:
  uint64_t total_;
  std::function<bool()> should_stop_;
  RateMeter meter_;
  ProgressLine line_;
};

}  // namespace slmtune::ops
