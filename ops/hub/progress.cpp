#include "ops/hub/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text.h"

namespace slmtune::ops {
namespace {

constexpr double kWindowSeconds = 8;
constexpr size_t kBarWidth = 24;

}  // namespace

void RateMeter::add(double seconds, uint64_t bytes_in_all) {
  // A file that starts anew takes bytes back; the rate starts anew with it.
  if (!samples_.empty() && bytes_in_all < samples_.back().second) samples_.clear();
  if (!samples_.empty() && seconds - samples_.back().first < 0.1) return;
  samples_.emplace_back(seconds, bytes_in_all);
  while (samples_.size() > 2 && seconds - samples_[1].first >= kWindowSeconds) samples_.pop_front();
}

double RateMeter::bytes_per_second() const {
  if (samples_.size() < 2) return 0;
  const auto& [begin, before] = samples_.front();
  const auto& [end, now] = samples_.back();
  return static_cast<double>(now - before) / (end - begin);
}

std::string progress_text(uint64_t received, uint64_t total, double bytes_per_second) {
  const double part = total == 0 ? 1.0 : static_cast<double>(received) / static_cast<double>(total);
  const size_t filled =
      std::min(kBarWidth, static_cast<size_t>(part * static_cast<double>(kBarWidth)));
  std::string bar(filled, '=');
  if (filled < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  std::string text = fmt::format("[{}] {:3.0f} %  {} of {}", bar, 100 * part, human_bytes(received),
                                 human_bytes(total));
  if (bytes_per_second <= 0) return text;
  text += fmt::format("  {}/s", human_bytes(static_cast<unsigned long long>(bytes_per_second)));
  if (received < total)
    text +=
        "  " + human_seconds(static_cast<double>(total - received) / bytes_per_second) + " left";
  return text;
}

PullProgress::PullProgress(uint64_t total_bytes, std::function<bool()> should_stop)
    : total_(total_bytes), should_stop_(std::move(should_stop)) {}

void PullProgress::update(uint64_t received) {
  if (should_stop_()) throw PullStopped{};
  meter_.add(now_seconds(), received);
  if (stderr_is_terminal()) line_.show(progress_text(received, total_, meter_.bytes_per_second()));
}

void PullProgress::finished(const RemoteFile& file, const std::string& origin) {
  if (!stderr_is_terminal())
    log_info(fmt::format("{}  {}  {}", file.name, human_bytes(file.bytes), origin));
}

}  // namespace slmtune::ops
