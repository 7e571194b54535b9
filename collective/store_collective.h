// Several processes that meet at MASTER_ADDR:MASTER_PORT and exchange what they have in host memory
// through the key store there: small numbers between GPUs, and everything between processes on the
// CPU that mpirun did not start. Sums are made in the order of the ranks by each of them.
#pragma once
#include <memory>
#include <vector>

#include "collective/collective.h"
#include "collective/key_store.h"
#include "collective/launch.h"
#include "collective/watch.h"

namespace slmtune::collective {

class StoreCollective : public Collective {
 public:
  // Waits for all ranks. P005 when they do not come, P002 when they were told of other numbers of
  // processes or two of the same rank.
  explicit StoreCollective(const Launch& launch);
  ~StoreCollective() override;

  void sum(float* values, int64_t count) override;
  void sum(std::span<double> numbers) override;
  void broadcast(std::vector<std::byte>& bytes) override;
  void barrier() override;
  void settle() override;
  void fail(const std::string& why) noexcept override;
  void leave() override;

 protected:
  // Called by the watching thread when a rank is lost.
  virtual void on_loss() {}
  // A destructor of a class that overrides on_loss() calls this first.
  void stop_watching() { watch_.reset(); }
  const Watch& watch() const { return *watch_; }
  const Launch& launch() const { return launch_; }

 private:
  void meet();
  void hear_all();
  void wait_for_those_here();
  std::vector<std::byte> value_of(int64_t call, int rank);
  template <typename Number>
  void sum_piece(std::span<Number> piece);
  void forget_before(int64_t call);

  const Launch launch_;
  KeyStore store_;
  std::unique_ptr<Watch> watch_;
  int64_t calls_ = 0;
  // Keys of this rank that others may still read.
  std::vector<std::pair<int64_t, std::string>> kept_;
};

}  // namespace slmtune::collective
