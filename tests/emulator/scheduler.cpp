#include "tests/emulator/scheduler.h"

#include <pthread.h>

#include <cstring>
#include <utility>

#include "tests/emulator/access_check.h"
#include "tests/emulator/async_copies.h"
#include "tests/emulator/code_place.h"
#include "tests/emulator/emulation_error.h"
#include "tests/emulator/shared_memory.h"
#include "tests/emulator/team.h"
#include "tests/emulator/warp.h"

namespace slmtune::emulator {

uint3 thread_index, block_index;
dim3 block_size, grid_size;

namespace {

Team* team = nullptr;
cudaError_t last_error = cudaSuccess;

// What CUDA refuses on every card.
bool is_possible(dim3 blocks, dim3 threads) {
  const uint64_t in_block = uint64_t{threads.x} * threads.y * threads.z;
  return blocks.x > 0 && blocks.y > 0 && blocks.z > 0 && in_block > 0 && in_block <= 1024 &&
         threads.z <= 64 && blocks.x <= 0x7FFFFFFFu && blocks.y <= 65535 && blocks.z <= 65535;
}

// From the oldest to the newest byte of the program's own stack.
struct Stack {
  uintptr_t bottom, bytes;
};
const Stack& stack_of_program() {
  static const Stack stack = [] {
    pthread_attr_t attributes;
    void* bottom = nullptr;
    size_t bytes = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom, &bytes);
    pthread_attr_destroy(&attributes);
    return Stack{reinterpret_cast<uintptr_t>(bottom), bytes};
  }();
  return stack;
}

// The launch's end, however it comes.
struct LaunchScope {
  LaunchScope(Team& own, size_t dynamic_bytes) {
    team = &own;
    start_shared_memory(dynamic_bytes);
  }
  ~LaunchScope() {
    end_shared_memory();
    team = nullptr;
  }
  LaunchScope(const LaunchScope&) = delete;
  LaunchScope& operator=(const LaunchScope&) = delete;
};

}  // namespace

Team* running_team() {
  return team;
}

bool is_on_running_stack(uintptr_t address) {
  return team->running().worker->holds(address);
}

bool is_on_stack(uintptr_t address) {
  return address - stack_of_program().bottom < stack_of_program().bytes;
}

void run_grid(const char* kernel, dim3 blocks, dim3 threads, size_t dynamic_bytes,
              const std::function<void()>& body) {
  if (!is_possible(blocks, threads) || dynamic_bytes > kSharedBytes) {
    last_error = cudaErrorInvalidConfiguration;
    return;
  }
  stack_of_program();
  Team own(kernel, threads, body);
  const LaunchScope scope(own, dynamic_bytes);
  block_size = threads;
  grid_size = blocks;
  clock_of_launch().start_launch(size_t{threads.x} * threads.y * threads.z);
  for (unsigned z = 0; z < blocks.z; ++z)
    for (unsigned y = 0; y < blocks.y; ++y)
      for (unsigned x = 0; x < blocks.x; ++x) {
        block_index = {x, y, z};
        clock_of_launch().start_block();
        start_block_of_shared_memory();
        forget_async_copies();
        const std::string failure = own.run_block(block_index);
        if (!failure.empty()) throw EmulationError(failure);
      }
}

unsigned linear_thread() {
  return team->running().linear;
}
unsigned lane_index() {
  return team->running().linear % 32;
}

BlockVote meet_block(int vote, const std::source_location& where) {
  return team->meet_block(vote, where);
}

void meet_warp(unsigned mask, void* mine, Combine combine, bool orders_memory,
               const std::source_location& where) {
  team->meet_warp(mask, mine, combine, orders_memory, where);
}

unsigned ballot(unsigned mask, int vote, const std::source_location& where) {
  struct Vote {
    int own;
    unsigned all;
  } mine{vote, 0};
  const Combine combine = [](void* const* lanes, unsigned among) {
    unsigned all = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (((among >> lane) & 1u) != 0 && static_cast<Vote*>(lanes[lane])->own != 0)
        all |= 1u << lane;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (((among >> lane) & 1u) != 0) static_cast<Vote*>(lanes[lane])->all = all;
  };
  meet_warp(mask, &mine, combine, false, where);
  return mine.all;
}

void fail(const std::string& what, const void* code) {
  team->fail(what + code_place(code));
}

void fence_device() {
  clock_of_launch().publish();
}

void start_atomic(const void* address, void* old, size_t bytes) {
  check_access(address, bytes, Access::kAtomic);
  clock_of_launch().meet_at(address);
  std::memcpy(old, address, bytes);
}
void end_atomic(void* address, const void* next, size_t bytes) {
  std::memcpy(address, next, bytes);
}

cudaError_t take_last_error() {
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t fill(void* target, int byte, size_t bytes) {
  std::memset(target, byte, bytes);
  return cudaSuccess;
}

cudaError_t copy(void* target, const void* source, size_t bytes) {
  std::memmove(target, source, bytes);
  return cudaSuccess;
}

}  // namespace slmtune::emulator
