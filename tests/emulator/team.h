// The threads of the block that runs: who waits where, and who goes on.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "tests/emulator/scheduler.h"
#include "tests/emulator/worker.h"

namespace slmtune::emulator {

enum class Stand { kReady, kAtBlockBarrier, kAtWarpOperation, kLeft };

struct CudaThread {
  Worker* worker = nullptr;
  uint3 index{};
  unsigned linear = 0;
  Stand stand = Stand::kReady;
  std::source_location where;  // of the barrier or warp operation
  int vote = 0;
  unsigned mask = 0;
  void* mine = nullptr;
  std::function<void()> work;  // the kernel's body, to its end
};

class Team {
 public:
  Team(const char* kernel, dim3 threads, const std::function<void()>& body);

  // All threads of one block, to their ends. The error as a text; empty: none.
  std::string run_block(uint3 block);

  BlockVote meet_block(int vote, const std::source_location& where);
  void meet_warp(unsigned mask, void* mine, Combine combine, bool orders_memory,
                 const std::source_location& where);
  [[noreturn]] void fail(const std::string& what);

  CudaThread& running() { return *running_; }
  // Whether reports of accesses are of the kernel's own code.
  bool is_checking() const { return running_ != nullptr && !is_combining_; }

 private:
  bool run_ready_threads();
  // Lets the threads of a complete block barrier go on; false when none is left or they cannot.
  bool open_barrier();
  bool is_complete(unsigned warp, unsigned mask, const std::source_location& where) const;
  std::string stalled() const;
  std::string position(const CudaThread& thread) const;

  std::string kernel_;
  const std::function<void()>& body_;
  std::vector<CudaThread> threads_;
  CudaThread* running_ = nullptr;
  bool is_combining_ = false;
  uint3 block_{};
  BlockVote votes_{};
  uint32_t rounds_ = 0;
  std::string failure_;
};

// The launch under way, or null.
Team* running_team();

// The stack of the thread whose turn it is; the stack of the program's thread that launched.
bool is_on_running_stack(uintptr_t address);
bool is_on_stack(uintptr_t address);

}  // namespace slmtune::emulator
