#include "collective/watch.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "collective/collective.h"
#include "core/error.h"
#include "core/log.h"

namespace slmtune::collective {
namespace {

constexpr const char* kFailed = "failed";  // "<rank> <why>" of the first rank that failed
constexpr const char* kHeard = "heard";    // ranks that know

std::string beat_key(int rank) {
  return fmt::format("beat/{}", rank);
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

}  // namespace

Watch::Watch(const KeyStore& store, const Launch& launch, std::function<void()> on_loss)
    : launch_(launch),
      on_loss_(std::move(on_loss)),
      store_(store.another_connection()),
      teller_(store.another_connection()),
      signs_(static_cast<size_t>(launch.size), Sign{-1, now_seconds()}) {
  beat();
  thread_ = std::thread([this] { run(); });
}

Watch::~Watch() {
  stop();
}

void Watch::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

std::optional<Loss> Watch::loss() const {
  const std::lock_guard lock(mutex_);
  return loss_;
}

void Watch::check() const {
  if (const std::optional<Loss> lost = loss()) throw_lost(lost->rank, lost->what);
}

void Watch::set_loss(const Loss& loss) {
  {
    const std::lock_guard lock(mutex_);
    if (loss_) return;
    loss_ = loss;
  }
  on_loss_();
}

void Watch::beat() {
  store_->add(beat_key(launch_.rank), 1);
}

std::optional<Loss> Watch::told() const {
  if (!store_->has(kFailed)) return std::nullopt;
  const std::string text = store_->get_text(kFailed);
  const size_t space = text.find(' ');
  Loss loss{std::stoi(text), "ended: " + text.substr(std::min(space + 1, text.size()))};
  if (loss.rank == launch_.rank) return std::nullopt;
  return loss;
}

std::optional<Loss> Watch::silent(int rank) {
  Sign& sign = signs_[static_cast<size_t>(rank)];
  const std::string key = beat_key(rank);
  const int64_t count = store_->has(key) ? store_->add(key, 0) : -1;
  const double now = now_seconds();
  if (count != sign.count) sign = {count, now};
  if (now - sign.seen < kSilentSeconds) return std::nullopt;
  // Before its first sign a rank is awaited with patience, by those that wait for it.
  if (count < 0) return std::nullopt;
  return Loss{rank, fmt::format("gave no sign of life for {:.0f} s", kSilentSeconds)};
}

std::optional<Loss> Watch::look() {
  beat();
  if (std::optional<Loss> loss = told()) return loss;
  if (!launch_.leads()) return silent(0);
  for (int rank = 1; rank < launch_.size; ++rank)
    if (std::optional<Loss> loss = silent(rank)) {
      store_->set_if_absent(kFailed, fmt::format("{} {}", loss->rank, loss->what));
      return loss;
    }
  return std::nullopt;
}

// Only now: who told may leave then. Rank 0 stays until all know, since the key store goes with it.
void Watch::confirm() noexcept {
  try {
    store_->add(kHeard, 1);
    if (launch_.leads()) wait_until_heard(*store_);
  } catch (...) {
    // Nobody is there who waits for it.
  }
}

// By all but the rank that is lost.
void Watch::wait_until_heard(KeyStore& store) const {
  const double until = now_seconds() + kHearSeconds;
  while (now_seconds() < until && store.add(kHeard, 0) < launch_.size - 1) sleep_for(0.05);
}

// Ends with the first loss: one is enough, and the key store may be gone then.
void Watch::run() {
  while (!stopping_) {
    std::optional<Loss> loss;
    try {
      loss = look();
    } catch (const Error& error) {
      loss =
          Loss{0, "is gone, or its machine cannot be reached: " + error.diagnostics().front().what};
    }
    if (loss && !stopping_) set_loss(*loss);
    if (loss) return confirm();
    sleep_for(kBeatSeconds);
  }
}

void Watch::tell(const std::string& why) noexcept {
  try {
    teller_->set_if_absent(kFailed, fmt::format("{} {}", launch_.rank, why));
    wait_until_heard(*teller_);
  } catch (...) {
    // Who can no longer be told finds out by the silence.
  }
}

}  // namespace slmtune::collective
