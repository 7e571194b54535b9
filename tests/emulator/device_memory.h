// Arrays that kernels may touch: exact to the byte, guard zones around them, full of 0xFF bytes
// (NaN as a float) until something is written.
//
//   DeviceArray<float> x({1, 2, 3}), y(3);
//   ASSERT_EQ(launch_double(x.data(), y.data(), 3, nullptr), 0);
//   EXPECT_THAT(y.values(), ElementsAre(2, 4, 6));
//
// device_tensor.h has the same for tensors.
#pragma once
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace slmtune::emulator {

class DeviceMemory {
 public:
  enum class Kind { kDevice, kShared };

  // Starts `offset` bytes behind a multiple of 256. `name` is what an error calls it.
  explicit DeviceMemory(size_t bytes, size_t offset = 0, std::string name = "",
                        Kind kind = Kind::kDevice);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  unsigned char* block_;
  unsigned char* data_;
  size_t bytes_;
};

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count, size_t offset = 0) : memory_(count * sizeof(T), offset) {}
  explicit DeviceArray(const std::vector<T>& values, size_t offset = 0)
      : DeviceArray(values.size(), offset) {
    if (!values.empty()) std::memcpy(memory_.data(), values.data(), memory_.bytes());
  }

  T* data() const { return static_cast<T*>(memory_.data()); }
  std::vector<T> values() const { return {data(), data() + memory_.bytes() / sizeof(T)}; }

 private:
  DeviceMemory memory_;
};

}  // namespace slmtune::emulator
