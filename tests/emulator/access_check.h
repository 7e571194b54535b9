// The rules about memory: which bytes a CUDA thread may touch, and what must order two touches of
// one byte. Two touches by different threads, one of them writing and not both atomic, are ordered
// when a block barrier lies between them, when both threads belong to one warp and a __syncwarp
// does, when they belong to different launches, or when the first thread's block published its work
// (__threadfence, then an atomic operation) and the second one's block saw that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace slmtune::emulator {

// Whether the compiler reports every access of a kernel's code. Without that only the boundaries of
// arrays are checked, and by AddressSanitizer.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSeesEveryAccess = false;
#else
inline constexpr bool kSeesEveryAccess = true;
#endif

enum class Access {
  kRead,
  kWrite,
  kAtomic,
  kUnderWay,  // the target of an asynchronous copy, from its start to the end of the wait for it
};

// One touch of one byte. `interval` counts block barriers and block starts since the program began;
// 0: never.
struct Touch {
  uint32_t interval = 0;
  uint32_t epoch : 20 = 0;  // how often the thread's warp had synchronised
  uint32_t thread : 10 = 0;
  uint32_t is_atomic : 1 = 0;
  uint32_t is_under_way : 1 = 0;
};

struct ByteHistory {
  Touch write, read, other_read;  // the last of each; the reads are of different threads
};

// A stretch of memory that kernels may touch.
struct Region {
  std::string name;
  uintptr_t start = 0;
  size_t bytes = 0;
  bool is_shared = false;
  ByteHistory* history = nullptr;  // one per byte
};

void add_region(const void* start, size_t bytes, std::string name, bool is_shared);
void remove_region(const void* start);

// Where the running thread stands among all others. The scheduler keeps it.
class Clock {
 public:
  void start_launch(size_t threads);
  void start_block();
  void pass_barrier() { ++interval_; }
  void run_thread(unsigned linear) { thread_ = linear; }
  void synchronise_lanes(unsigned warp, unsigned mask);
  void publish() { has_published_ = true; }
  // An atomic operation at `address`: passes on and takes over what was published.
  void meet_at(const void* address);

  Touch touch(Access access) const;
  bool is_ordered(const Touch& before) const;
  bool is_of_this_block(const Touch& before) const { return before.interval >= block_start_; }

 private:
  uint32_t interval_ = 0, launch_start_ = 0, block_start_ = 0;
  unsigned thread_ = 0;
  bool has_published_ = false, has_taken_over_ = false;
  std::vector<uint32_t> epochs_;              // per thread of the block
  std::vector<std::vector<uint32_t>> known_;  // per thread: of each lane of its warp
  std::vector<const void*> published_at_;     // by earlier blocks of the launch
  std::vector<const void*> publishing_at_;    // by this block
};

Clock& clock_of_launch();

// Stops the launch (scheduler.h: fail) when the running thread must not touch these bytes. `code`:
// the instruction, for the message; null when unknown.
void check_access(const void* address, size_t bytes, Access access, const void* code = nullptr);

}  // namespace slmtune::emulator
