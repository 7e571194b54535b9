// The shared memory of the block that runs. Each array lies between guard zones; new blocks find it
// full of 0xFF bytes, as if nothing had been there.
#pragma once
#include <cstddef>
#include <cstdint>

namespace slmtune::emulator {

// What every card from sm_80 on gives one block.
inline constexpr size_t kSharedBytes = 99 * 1024;

void start_shared_memory(size_t dynamic_bytes);
void start_block_of_shared_memory();
void end_shared_memory();

}  // namespace slmtune::emulator
