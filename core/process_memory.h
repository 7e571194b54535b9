// Memory of this process and of the computer, as Linux counts it (/proc, cgroups).
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace slmtune {

// Memory that this process holds now, and the most it has held since it began or since
// restart_peak_memory(). Bytes; 0 where the system does not say.
uint64_t resident_memory();
uint64_t peak_memory();

// Peaks count from here on. False where the system does not allow it: they go on as before.
bool restart_peak_memory();

struct MemoryRoom {
  uint64_t total = 0;      // of the computer, or of the cgroup that this process may use
  uint64_t available = 0;  // what this process may hold in all: its own memory and what is free
};
// The computer's memory, cut to the limits of this process's cgroup and those above it (v2
// memory.max, v1 memory.limit_in_bytes).
MemoryRoom memory_room();

// Bytes behind `key` in the text of a /proc file: "MemAvailable:   123 kB". None where it is not.
std::optional<uint64_t> proc_bytes(std::string_view text, std::string_view key);

}  // namespace slmtune
