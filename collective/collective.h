// What processes that train together do together. Every rank makes the same calls in the same
// order; a call waits until all ranks have made it.
//
//   std::unique_ptr<Collective> ranks = join(launch, on_gpu);
//   ranks->sum(gradients, count);           // a flat buffer, in place
//   if (ranks->leads()) write a checkpoint …
//   ranks->leave();
//
// The laws (tests/collective/): after sum() every rank holds the same bits; after broadcast() the
// leader's; when a rank fails, is killed or does not come, every other rank's next or waiting call
// throws P003 with that rank's number within seconds (killed) or Launch::patience (does not come).
//
// Implementors: NcclCollective (GPUs), MpiCollective (CPU, started by mpirun), StoreCollective
// (host side of the first, and CPU under any other launcher), and the one process of alone().
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace slmtune::collective {

// How long a rank that ends waits, at most, for the others to hear why.
constexpr double kHearSeconds = 5.0;

class Collective {
 public:
  virtual ~Collective() = default;
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool several() const { return size_ > 1; }
  bool leads() const { return rank_ == 0; }  // writes store, logs and checkpoints

  // In place, in the memory of the device that trains. On a GPU the current stream goes on with the
  // sums; nothing is waited for.
  virtual void sum(float* values, int64_t count) = 0;
  // In host memory.
  virtual void sum(std::span<double> numbers) = 0;
  // What the leader has, of any length.
  virtual void broadcast(std::vector<std::byte>& bytes) = 0;
  virtual void barrier() = 0;

  // Waits for the sums that are under way. P003 when a rank was lost in one of them: what they gave
  // must not be kept then.
  virtual void settle() = 0;

  // After an error of this rank: the others end with P003 and `why`. Waits a few seconds at most
  // for them to hear it.
  virtual void fail(const std::string& why) noexcept = 0;
  // The orderly end: waits until all ranks are here. No call may follow.
  virtual void leave() = 0;

  // Whether all ranks go on: true when `go_on` is true on each of them.
  bool all_go_on(bool go_on);

 protected:
  Collective(int rank, int size) : rank_(rank), size_(size) {}
  void set_place(int rank, int size) {
    rank_ = rank;
    size_ = size;
  }

 private:
  int rank_ = 0, size_ = 1;
};

// The one process of a run without others: nothing to add, nobody to wait for.
Collective& alone();

// P003 about `rank`, which was lost as `what` says ("gave no sign of life for 6 s").
[[noreturn]] void throw_lost(int rank, const std::string& what);

}  // namespace slmtune::collective
