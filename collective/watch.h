// Whether the other processes of a run are alive. Each gives a sign of life twice a second through
// the key store; rank 0 watches all others, they watch rank 0. A rank that fails says so itself.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "collective/key_store.h"

namespace slmtune::collective {

inline constexpr double kBeatSeconds = 0.5;
// Longer than any pause of a busy machine, and still seconds.
inline constexpr double kSilentSeconds = 6.0;

struct Loss {
  int rank = 0;
  std::string what;  // "gave no sign of life for 6 s"
};

class Watch {
 public:
  // `on_loss` is called once, by the watching thread, when a rank is lost: it has to free this
  // process from a wait for that rank.
  Watch(const KeyStore& store, const Launch& launch, std::function<void()> on_loss);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::optional<Loss> loss() const;
  void check() const;  // P003 when a rank was lost

  // Tells the others that this rank ended because of `why`, and waits a few seconds at most until
  // they have heard it.
  void tell(const std::string& why) noexcept;
  void stop();  // no signs of life any more; to be called before the orderly end

 private:
  void run();
  void beat();
  std::optional<Loss> look();
  std::optional<Loss> told() const;
  void confirm() noexcept;
  void wait_until_heard(KeyStore& store) const;
  std::optional<Loss> silent(int rank);
  void set_loss(const Loss& loss);

  const Launch launch_;
  const std::function<void()> on_loss_;
  std::unique_ptr<KeyStore> store_;  // of the thread
  std::unique_ptr<KeyStore> teller_;
  struct Sign {
    int64_t count = -1;
    double seen = 0.0;
  };
  std::vector<Sign> signs_;
  mutable std::mutex mutex_;
  std::optional<Loss> loss_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace slmtune::collective
