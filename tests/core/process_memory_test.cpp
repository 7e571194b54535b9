#include "core/process_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace slmtune {
namespace {

TEST(ProcBytes, ReadsTheNumberBehindAKey) {
  const char* text = "Name:\tslmtune\nVmHWM:\t   1234 kB\nVmRSS:\t 1000 kB\n";
  EXPECT_EQ(proc_bytes(text, "VmRSS"), 1000u * 1024);
  EXPECT_EQ(proc_bytes(text, "VmHWM"), 1234u * 1024);
}

TEST(ProcBytes, TakesWholeKeysAtTheStartOfALineOnly) {
  EXPECT_EQ(proc_bytes("SwapTotal: 5 kB\nTotal: 7 kB\n", "Total"), 7u * 1024);
  EXPECT_EQ(proc_bytes("TotalX: 5 kB\n", "Total"), std::nullopt);
}

TEST(ProcBytes, GivesNothingForWhatIsNoNumber) {
  EXPECT_EQ(proc_bytes("VmRSS:\n", "VmRSS"), std::nullopt);
  EXPECT_EQ(proc_bytes("VmRSS: many kB\n", "VmRSS"), std::nullopt);
  EXPECT_EQ(proc_bytes("", "VmRSS"), std::nullopt);
}

TEST(ProcessMemory, CountsWhatIsWrittenTo) {
  constexpr size_t kBytes = size_t{96} << 20;
  const uint64_t before = resident_memory();
  {
    std::vector<char> block(kBytes);
    std::memset(block.data(), 1, kBytes);
    EXPECT_GE(resident_memory(), before + kBytes * 9 / 10);
  }
  EXPECT_GE(peak_memory(), before + kBytes * 9 / 10);
}

TEST(ProcessMemory, RoomIsAtMostTheComputersMemory) {
  const MemoryRoom room = memory_room();
  EXPECT_GT(room.available, uint64_t{1} << 20);
  EXPECT_LE(room.available, room.total);
}

}  // namespace
}  // namespace slmtune
