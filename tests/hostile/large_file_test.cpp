// Opening a file of 3 GB checks its header and all ranges and reads none of its data: the files
// here are one hole, and the system tells which of their pages came into memory.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "core/mapped_file.h"
#include "core/safetensors.h"
#include "export/gguf/gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

namespace fs = std::filesystem;
using testing::Bytes;
using testing::TempFolder;

// The shape of a model with 1.5 billion weights: 28 layers of twelve tensors in 16 bits.
constexpr int kLayers = 28, kPerLayer = 12;
constexpr uint64_t kRows = 2048, kColumns = 2272, kTensorBytes = kRows * kColumns * 2;
constexpr uint64_t kDataBytes = kLayers * kPerLayer * kTensorBytes;

std::string tensor_name(int layer, int place) {
  return fmt::format("model.layers.{}.part_{}.weight", layer, place);
}

fs::path sparse_safetensors(const TempFolder& folder) {
  std::string header;
  uint64_t position = 0;
  for (int i = 0; i < kLayers * kPerLayer; ++i, position += kTensorBytes)
    header += fmt::format(R"({}"{}":{{"dtype":"BF16","shape":[{},{}],"data_offsets":[{},{}]}})",
                          i ? "," : "{", tensor_name(i / kPerLayer, i % kPerLayer), kRows, kColumns,
                          position, position + kTensorBytes);
  const fs::path path = folder.write("model.safetensors", testing::safetensors_bytes(header + "}"));
  fs::resize_file(path, fs::file_size(path) + kDataBytes);
  return path;
}

fs::path sparse_gguf(const TempFolder& folder) {
  Bytes out = testing::gguf_head(kLayers * kPerLayer, 0);
  for (int i = 0; i < kLayers * kPerLayer; ++i)
    testing::gguf_tensor(out, tensor_name(i / kPerLayer, i % kPerLayer), {kColumns, kRows}, 30,
                         static_cast<uint64_t>(i) * kTensorBytes);
  const fs::path path = folder.write("model.gguf", out.pad().str());
  fs::resize_file(path, fs::file_size(path) + kDataBytes);
  return path;
}

uint64_t bytes_in_memory(const fs::path& path) {
  const MappedFile file(path);
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((file.bytes().size() + page - 1) / page);
  void* address = const_cast<std::byte*>(file.bytes().data());
  EXPECT_EQ(mincore(address, file.bytes().size(), pages.data()), 0);
  uint64_t bytes = 0;
  for (unsigned char flags : pages) bytes += flags & 1 ? page : 0;
  return bytes;
}

template <class Open>
void expect_unread(const char* format, const fs::path& path, Open&& open) {
  static_assert(kDataBytes > 3'000'000'000);
  const auto start = std::chrono::steady_clock::now();
  const size_t tensors = open(path);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  const uint64_t read = bytes_in_memory(path);
  std::printf("%s of %.2f GB: %zu tensors checked in %.2f ms, %.2f MB of it in memory\n", format,
              static_cast<double>(fs::file_size(path)) * 1e-9, tensors, spent.count(),
              static_cast<double>(read) * 1e-6);
  EXPECT_EQ(tensors, static_cast<size_t>(kLayers * kPerLayer));
  // The header and what the system reads ahead behind it.
  EXPECT_LT(read, 16u << 20);
}

TEST(LargeFile, ASafetensorsHeaderIsCheckedWithoutReadingTheData) {
  const TempFolder folder;
  expect_unread("safetensors", sparse_safetensors(folder),
                [](const fs::path& path) { return SafetensorsFile::open(path).tensors().size(); });
}

TEST(LargeFile, AGgufTableIsCheckedWithoutReadingTheData) {
  const TempFolder folder;
  expect_unread("GGUF", sparse_gguf(folder), [](const fs::path& path) {
    return exporting::GgufFile::open(path).tensors().size();
  });
}

}  // namespace
}  // namespace slmtune
