#include "tests/emulator/access_check.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>

#include "tests/emulator/team.h"

extern "C" {
extern const char __executable_start;  // of the linker: the program's own image
extern const char _end;
}

namespace slmtune::emulator {
namespace {

std::map<uintptr_t, Region>& regions() {
  static std::map<uintptr_t, Region> all;
  return all;
}

Region* last_used = nullptr;

Region* region_of(uintptr_t address) {
  if (last_used != nullptr && address - last_used->start < last_used->bytes) return last_used;
  auto& all = regions();
  auto after = all.upper_bound(address);
  if (after == all.begin()) return nullptr;
  Region& region = std::prev(after)->second;
  if (address - region.start >= region.bytes) return nullptr;
  last_used = &region;
  return last_used;
}

std::string nearest_region(uintptr_t address) {
  const Region* nearest = nullptr;
  uintptr_t least = UINTPTR_MAX;
  std::string side;
  for (const auto& [start, region] : regions()) {
    const uintptr_t end = start + region.bytes;
    const uintptr_t distance = address < start ? start - address : address - end;
    if (distance >= least) continue;
    nearest = &region;
    least = distance;
    side = address < start ? " bytes before " : " bytes behind the end of ";
  }
  if (nearest == nullptr || least > (1u << 20)) return "";
  return ", " + std::to_string(least) + side + nearest->name + " [" +
         std::to_string(nearest->bytes) + " bytes]";
}

const char* verb(Access access) {
  switch (access) {
    case Access::kRead:
      return "reads";
    case Access::kWrite:
      return "writes";
    case Access::kAtomic:
      return "changes";
    case Access::kUnderWay:
      break;
  }
  return "starts a copy to";
}

[[noreturn]] void refuse(uintptr_t address, size_t bytes, Access access, const std::string& why,
                         const void* code) {
  std::string text = std::string(verb(access)) + " " + std::to_string(bytes) + " bytes ";
  const Region* region = region_of(address);
  if (region != nullptr)
    text += std::string("of ") + (region->is_shared ? "shared " : "") + region->name + " at byte " +
            std::to_string(address - region->start);
  fail(text + why, code);
}

// Memory that every thread has besides the arrays: its stack, the launcher's, the program's tables.
bool is_own(uintptr_t address) {
  const auto image = reinterpret_cast<uintptr_t>(&__executable_start);
  return is_on_stack(address) || (address >= image && address < reinterpret_cast<uintptr_t>(&_end));
}

std::string other_thread(const Touch& touch) {
  return "thread " + std::to_string(touch.thread) +
         (clock_of_launch().is_of_this_block(touch) ? "" : " of another block");
}

void check_byte(ByteHistory& byte, const Touch& now, const Region& region, uintptr_t address,
                size_t bytes, Access access, const void* code) {
  const Clock& clock = clock_of_launch();
  const bool writes = access != Access::kRead;
  const auto conflicts = [&](const Touch& before) {
    const bool is_forgotten = region.is_shared && !clock.is_of_this_block(before);
    return before.interval != 0 && !is_forgotten && !(before.is_atomic && now.is_atomic) &&
           !clock.is_ordered(before);
  };
  if (!writes && region.is_shared && !clock.is_of_this_block(byte.write))
    refuse(address, bytes, access, " before anything was written there", code);
  if (!writes && byte.write.is_under_way && clock.is_of_this_block(byte.write))
    refuse(address, bytes, access, " of an asynchronous copy that was not waited for", code);
  if (conflicts(byte.write))
    refuse(address, bytes, access,
           ", which " + other_thread(byte.write) + " wrote with nothing between that orders them",
           code);
  if (!writes) return;
  for (const Touch& read : {byte.read, byte.other_read})
    if (conflicts(read))
      refuse(address, bytes, access,
             ", which " + other_thread(read) + " read with nothing between that orders them", code);
}

void remember(ByteHistory& byte, const Touch& now, bool writes) {
  if (writes) {
    byte.write = now;
    return;
  }
  const bool same_reader = byte.read.interval == 0 || byte.read.thread == now.thread;
  if (!same_reader) byte.other_read = byte.read;
  byte.read = now;
}

}  // namespace

void add_region(const void* start, size_t bytes, std::string name, bool is_shared) {
  const auto address = reinterpret_cast<uintptr_t>(start);
  void* history = std::calloc(std::max<size_t>(bytes, 1), sizeof(ByteHistory));
  if (history == nullptr) throw std::bad_alloc();
  regions()[address] = {std::move(name), address, bytes, is_shared,
                        static_cast<ByteHistory*>(history)};
}

void remove_region(const void* start) {
  const auto found = regions().find(reinterpret_cast<uintptr_t>(start));
  if (found == regions().end()) return;
  last_used = nullptr;
  std::free(found->second.history);
  regions().erase(found);
}

Clock& clock_of_launch() {
  static Clock clock;
  return clock;
}

void Clock::start_launch(size_t threads) {
  launch_start_ = ++interval_;
  epochs_.assign(threads, 0);
  known_.assign(threads, std::vector<uint32_t>(32, 0));
  published_at_.clear();
  publishing_at_.clear();
}

void Clock::start_block() {
  block_start_ = ++interval_;
  published_at_.insert(published_at_.end(), publishing_at_.begin(), publishing_at_.end());
  publishing_at_.clear();
  has_published_ = has_taken_over_ = false;
}

void Clock::synchronise_lanes(unsigned warp, unsigned mask) {
  std::vector<uint32_t> together(32, 0);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (((mask >> lane) & 1u) == 0) continue;
    const unsigned thread = warp * 32 + lane;
    known_[thread][lane] = ++epochs_[thread];
    for (unsigned l = 0; l < 32; ++l) together[l] = std::max(together[l], known_[thread][l]);
  }
  for (unsigned lane = 0; lane < 32; ++lane)
    if (((mask >> lane) & 1u) != 0) known_[warp * 32 + lane] = together;
}

void Clock::meet_at(const void* address) {
  if (has_published_) publishing_at_.push_back(address);
  if (std::find(published_at_.begin(), published_at_.end(), address) != published_at_.end())
    has_taken_over_ = true;
}

Touch Clock::touch(Access access) const {
  Touch now;
  now.interval = interval_;
  now.epoch = epochs_[thread_] & 0xFFFFFu;
  now.thread = thread_ & 0x3FFu;
  now.is_atomic = access == Access::kAtomic;
  now.is_under_way = access == Access::kUnderWay;
  return now;
}

bool Clock::is_ordered(const Touch& before) const {
  if (before.interval < launch_start_) return true;
  if (before.interval < block_start_) return has_taken_over_;
  if (before.interval < interval_ || before.thread == thread_) return true;
  return before.thread / 32 == thread_ / 32 && before.epoch < known_[thread_][before.thread % 32];
}

void check_access(const void* pointer, size_t bytes, Access access, const void* code) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (is_on_running_stack(address)) return;
  Region* region = region_of(address);
  if (region == nullptr) {
    if (is_own(address)) return;
    refuse(address, bytes, access, "outside device memory" + nearest_region(address), code);
  }
  const size_t first = address - region->start;
  if (first + bytes > region->bytes) refuse(address, bytes, access, ", past its end", code);
  if (!kSeesEveryAccess) return;
  const Touch now = clock_of_launch().touch(access);
  for (size_t i = first; i < first + bytes; ++i) {
    check_byte(region->history[i], now, *region, address, bytes, access, code);
    remember(region->history[i], now, access != Access::kRead);
  }
}

}  // namespace slmtune::emulator
