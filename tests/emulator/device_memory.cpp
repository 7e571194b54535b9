#include "tests/emulator/device_memory.h"

#include <cstdlib>
#include <new>
#include <utility>

#include "tests/emulator/access_check.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#endif

namespace slmtune::emulator {
namespace {

constexpr size_t kGuardBytes = 256;  // also what arrays are aligned to

size_t block_bytes(size_t bytes, size_t offset) {
  return (2 * kGuardBytes + offset + bytes + kGuardBytes - 1) / kGuardBytes * kGuardBytes;
}

}  // namespace

DeviceMemory::DeviceMemory(size_t bytes, size_t offset, std::string name, Kind kind)
    : bytes_(bytes) {
  const size_t total = block_bytes(bytes, offset);
  block_ = static_cast<unsigned char*>(std::aligned_alloc(kGuardBytes, total));
  if (block_ == nullptr) throw std::bad_alloc();
  data_ = block_ + kGuardBytes + offset;
  std::memset(block_, 0xFF, total);
  ASAN_POISON_MEMORY_REGION(block_, total);
  ASAN_UNPOISON_MEMORY_REGION(data_, bytes);
  if (name.empty()) name = "an array";
  add_region(data_, bytes, std::move(name), kind == Kind::kShared);
}

DeviceMemory::~DeviceMemory() {
  remove_region(data_);
  ASAN_UNPOISON_MEMORY_REGION(
      block_, block_bytes(bytes_, static_cast<size_t>(data_ - block_) - kGuardBytes));
  std::free(block_);
}

}  // namespace slmtune::emulator
