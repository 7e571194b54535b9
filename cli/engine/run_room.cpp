#include "cli/engine/run_room.h"

#include <algorithm>
#include <exception>

#include "core/log.h"
#include "kernels/device_memory.h"

namespace slmtune::cli {

bool RunRoom::make(const Recipe& recipe, const MemoryChoice& memory,
                   const kernels::DeviceChoice& device, const MakeRoom& make_room) {
  const std::optional<DeviceRoom> room = device_room(device.device);
  const uint64_t needed = memory.plan.total();
  if (!room || needed > room->alone) return false;
  if (recipe.budget.memory_gib && needed > memory_budget(recipe)) return false;
  device_ = device.device;
  pause_ = make_room(recipe.store, needed, [at = device_] {
    const std::optional<DeviceRoom> now = device_room(at);
    return now ? now->now : 0;
  });
  return pause_ != nullptr;
}

RunRoom::~RunRoom() {
  if (!pause_) return;
  try {
    kernels::release_device_cache(device_);  // the servers need what no tensor uses any more
  } catch (const std::exception& error) {
    log_verbose(error.what());
  }
}

}  // namespace slmtune::cli
