// A stand-in for libslmtune_cuda.so with NCCL alone: the ranks are threads of one process, their
// GPU is host memory, and every call is under way until all ranks have made it, as NCCL's are. What
// a test may change lies in FakeNccl, found by the name `fake_nccl`.
#pragma once
#include <atomic>

struct FakeNccl {
  std::atomic<int> error_of_join = 0, error_of_sum = 0, error_of_wait = 0;
  std::atomic<bool> finishes = true;  // false: ranks that leave are under way for ever
  std::atomic<int> aborted = 0, destroyed = 0, devices_set = 0;
};
