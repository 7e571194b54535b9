#include "core/process_memory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace slmtune {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::optional<uint64_t> whole_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

uint64_t own_memory(std::string_view key) {
  return proc_bytes(text_of("/proc/self/status"), key).value_or(0);
}

// Cuts `room` to the limit of `group`; "max" and the huge number of v1 are none.
void cut_to_group(MemoryRoom& room, const fs::path& group, const char* limit, const char* used,
                  uint64_t own) {
  const auto most = whole_number(text_of(group / limit));
  if (!most || *most >= room.total) return;
  room.total = *most;
  const uint64_t others = whole_number(text_of(group / used)).value_or(0);
  const uint64_t free = others < *most ? *most - others : 0;
  room.available = std::min({room.available, *most, free + own});
}

void cut_to_groups(MemoryRoom& room, uint64_t own) {
  std::istringstream list(text_of("/proc/self/cgroup"));
  for (std::string line; std::getline(list, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && controllers.find("memory") == std::string::npos) continue;
    const fs::path root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    for (fs::path group = fs::path(line.substr(second + 1)).relative_path();;
         group = group.parent_path()) {
      cut_to_group(room, root / group, v2 ? "memory.max" : "memory.limit_in_bytes",
                   v2 ? "memory.current" : "memory.usage_in_bytes", own);
      if (group.empty()) break;
    }
  }
}

}  // namespace

std::optional<uint64_t> proc_bytes(std::string_view text, std::string_view key) {
  for (size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const bool is_line =
        (at == 0 || text[at - 1] == '\n') && text.substr(at + key.size(), 1) == ":";
    if (!is_line) continue;
    const size_t digit = text.find_first_not_of(" \t", at + key.size() + 1);
    if (digit == std::string_view::npos) return std::nullopt;
    const auto kibibytes = whole_number(text.substr(digit));
    if (!kibibytes) return std::nullopt;
    return *kibibytes * 1024;
  }
  return std::nullopt;
}

uint64_t resident_memory() {
  return own_memory("VmRSS");
}

uint64_t peak_memory() {
  return own_memory("VmHWM");
}

bool restart_peak_memory() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5" << std::flush;
  return out.good();
}

MemoryRoom memory_room() {
  const std::string facts = text_of("/proc/meminfo");
  const uint64_t own = resident_memory();
  MemoryRoom room;
  room.total = proc_bytes(facts, "MemTotal").value_or(0);
  room.available = std::min(room.total, proc_bytes(facts, "MemAvailable").value_or(0) + own);
  cut_to_groups(room, own);
  return room;
}

}  // namespace slmtune
