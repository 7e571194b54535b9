// The entry of libFuzzer around the one target that is linked in: besides crashes it takes more
// than a second of processor time, or more memory than 4 times the input and 64 MB, for a fault.
#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "core/log.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

constexpr int64_t kFreeMemory = 64 << 20;
constexpr double kSeconds = 1.0;

std::atomic<int64_t> held = 0, peak = 0;

void on_malloc(const volatile void*, size_t size) {
  const int64_t now = held.fetch_add(static_cast<int64_t>(size)) + static_cast<int64_t>(size);
  for (int64_t before = peak; before < now && !peak.compare_exchange_weak(before, now);) {
  }
}

void on_free(const volatile void* memory) {
  if (memory != nullptr)
    held -= static_cast<int64_t>(__sanitizer_get_allocated_size(const_cast<void*>(memory)));
}

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void fault(const char* what, double found, double allowed) {
  std::fprintf(stderr, "fault: %s %.1f, allowed are %.1f\n", what, found, allowed);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  slmtune::set_up_log(slmtune::Verbosity::kQuiet, false);
  if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free)) std::abort();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int64_t before = held;
  peak = before;
  const double start = processor_seconds();
  slmtune::fuzz::targets().front()->run({reinterpret_cast<const char*>(data), size});
  const double seconds = processor_seconds() - start;
  const int64_t allowed = 4 * static_cast<int64_t>(size) + kFreeMemory;
  if (peak - before > allowed)
    fault("MB of memory", static_cast<double>(peak - before) / 1e6,
          static_cast<double>(allowed) / 1e6);
  if (seconds > kSeconds) fault("seconds", seconds, kSeconds);
  return 0;
}
