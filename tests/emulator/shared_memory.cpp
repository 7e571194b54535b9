#include "tests/emulator/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include "tests/emulator/access_check.h"
#include "tests/emulator/device_memory.h"
#include "tests/emulator/scheduler.h"

namespace slmtune::emulator {
namespace {

struct Array {
  const void* key;
  std::unique_ptr<DeviceMemory> memory;
  bool is_new;  // to the block that runs
};

// Arrays of the launch, in the order of their first use.
std::deque<Array>& arrays() {
  static std::deque<Array> all;
  return all;
}

const char dynamic_key = 0;

Array& add_array(const void* key, size_t bytes, const char* name) {
  auto memory = std::make_unique<DeviceMemory>(bytes, 0, name, DeviceMemory::Kind::kShared);
  return arrays().emplace_back(Array{key, std::move(memory), true});
}

void* fresh(Array& array) {
  if (array.is_new) std::memset(array.memory->data(), 0xFF, array.memory->bytes());
  array.is_new = false;
  return array.memory->data();
}

}  // namespace

void start_shared_memory(size_t dynamic_bytes) {
  add_array(&dynamic_key, dynamic_bytes, "dynamic memory");
}

void start_block_of_shared_memory() {
  for (Array& array : arrays()) array.is_new = true;
}

void end_shared_memory() {
  arrays().clear();
}

void* shared_place(const void* key, size_t bytes, const char* name) {
  for (Array& array : arrays())
    if (array.key == key) return fresh(array);
  size_t total = bytes;
  for (const Array& array : arrays()) total += array.memory->bytes();
  if (total > kSharedBytes) fail("takes more than 99 KiB of shared memory");
  return fresh(add_array(key, bytes, name));
}

void* dynamic_shared() {
  return fresh(arrays().front());
}

}  // namespace slmtune::emulator
