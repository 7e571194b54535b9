// Barriers, warp shuffles and votes, atomic operations: CUDA's names over scheduler.h.
#pragma once
#include <bit>
#include <cstdint>
#include <source_location>

#include "tests/emulator/scheduler.h"

namespace slmtune::emulator {

template <typename T>
struct ShuffleLane {
  T value, result;
  unsigned source;
};

// Every lane of `mask` gets the value of the lane that it names.
template <typename T>
T shuffle(unsigned mask, T value, unsigned source, const std::source_location& where) {
  if (((mask >> source) & 1u) == 0) fail("a shuffle reads a lane outside its mask");
  ShuffleLane<T> mine{value, value, source};
  const Combine combine = [](void* const* lanes, unsigned among) {
    for (unsigned lane = 0; lane < 32; ++lane) {
      if (((among >> lane) & 1u) == 0) continue;
      auto* self = static_cast<ShuffleLane<T>*>(lanes[lane]);
      self->result = static_cast<ShuffleLane<T>*>(lanes[self->source])->value;
    }
  };
  meet_warp(mask, &mine, combine, false, where);
  return mine.result;
}

// Lanes of `mask` whose `vote` is not 0.
unsigned ballot(unsigned mask, int vote, const std::source_location& where);

// The last lane of the segment of `width` lanes that holds `lane`.
inline unsigned segment_end(unsigned lane, int width) {
  return lane | (static_cast<unsigned>(width) - 1u);
}

// Folds the values of all lanes of `mask`, lowest lane first.
template <typename T, typename Fold>
T reduce(unsigned mask, T value, Fold fold, const std::source_location& where) {
  T result{};
  bool is_first = true;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (((mask >> lane) & 1u) == 0) continue;
    const T other = shuffle(mask, value, lane, where);
    result = is_first ? other : fold(result, other);
    is_first = false;
  }
  return result;
}

template <typename T, typename Change>
T change_at(T* address, Change change) {
  T old;
  start_atomic(address, &old, sizeof(T));
  const T next = change(old);
  end_atomic(address, &next, sizeof(T));
  return old;
}

}  // namespace slmtune::emulator

#define SLMTUNE_HERE const std::source_location& where = std::source_location::current()

inline void __syncthreads(SLMTUNE_HERE) {
  slmtune::emulator::meet_block(0, where);
}
inline int __syncthreads_or(int vote, SLMTUNE_HERE) {
  return slmtune::emulator::meet_block(vote, where).ones != 0;
}
inline int __syncthreads_and(int vote, SLMTUNE_HERE) {
  const slmtune::emulator::BlockVote votes = slmtune::emulator::meet_block(vote, where);
  return votes.ones == votes.live;
}
inline int __syncthreads_count(int vote, SLMTUNE_HERE) {
  return slmtune::emulator::meet_block(vote, where).ones;
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, SLMTUNE_HERE) {
  slmtune::emulator::meet_warp(mask, nullptr, nullptr, true, where);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, SLMTUNE_HERE) {
  const unsigned lane = slmtune::emulator::lane_index(), inside = static_cast<unsigned>(width) - 1u;
  const unsigned from = (lane & ~inside) | (static_cast<unsigned>(source) & inside);
  return slmtune::emulator::shuffle(mask, value, from, where);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, SLMTUNE_HERE) {
  const unsigned lane = slmtune::emulator::lane_index();
  const unsigned from = lane ^ static_cast<unsigned>(lanes);
  const bool is_inside = from <= slmtune::emulator::segment_end(lane, width);
  return slmtune::emulator::shuffle(mask, value, is_inside ? from : lane, where);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32, SLMTUNE_HERE) {
  const unsigned lane = slmtune::emulator::lane_index(), from = lane + lanes;
  const bool is_inside = from <= slmtune::emulator::segment_end(lane, width);
  return slmtune::emulator::shuffle(mask, value, is_inside ? from : lane, where);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32, SLMTUNE_HERE) {
  const unsigned lane = slmtune::emulator::lane_index();
  const unsigned start = lane & ~(static_cast<unsigned>(width) - 1u);
  const bool is_inside = lane >= start + lanes;
  return slmtune::emulator::shuffle(mask, value, is_inside ? lane - lanes : lane, where);
}

inline unsigned __ballot_sync(unsigned mask, int vote, SLMTUNE_HERE) {
  return slmtune::emulator::ballot(mask, vote, where);
}
inline int __any_sync(unsigned mask, int vote, SLMTUNE_HERE) {
  return slmtune::emulator::ballot(mask, vote, where) != 0;
}
inline int __all_sync(unsigned mask, int vote, SLMTUNE_HERE) {
  return slmtune::emulator::ballot(mask, vote, where) == mask;
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, SLMTUNE_HERE) {
  return slmtune::emulator::reduce(
      mask, value, [](unsigned a, unsigned b) { return a + b; }, where);
}
inline int __reduce_max_sync(unsigned mask, int value, SLMTUNE_HERE) {
  return slmtune::emulator::reduce(
      mask, value, [](int a, int b) { return a > b ? a : b; }, where);
}
inline int __reduce_min_sync(unsigned mask, int value, SLMTUNE_HERE) {
  return slmtune::emulator::reduce(
      mask, value, [](int a, int b) { return a < b ? a : b; }, where);
}

inline void __threadfence() {
  slmtune::emulator::fence_device();
}
// Orders one thread's own accesses; the emulator never reorders them.
inline void __threadfence_block() {}

template <typename T>
T atomicAdd(T* address, T value) {
  return slmtune::emulator::change_at(address, [&](T old) { return static_cast<T>(old + value); });
}
template <typename T>
T atomicMax(T* address, T value) {
  return slmtune::emulator::change_at(address, [&](T old) { return old < value ? value : old; });
}
template <typename T>
T atomicMin(T* address, T value) {
  return slmtune::emulator::change_at(address, [&](T old) { return value < old ? value : old; });
}
template <typename T>
T atomicExch(T* address, T value) {
  return slmtune::emulator::change_at(address, [&](T) { return value; });
}
template <typename T>
T atomicOr(T* address, T value) {
  return slmtune::emulator::change_at(address, [&](T old) { return static_cast<T>(old | value); });
}
template <typename T>
T atomicCAS(T* address, T expected, T value) {
  return slmtune::emulator::change_at(address,
                                      [&](T old) { return old == expected ? value : old; });
}
// Counts 0, 1, … limit, 0, …
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return slmtune::emulator::change_at(address,
                                      [&](unsigned old) { return old >= limit ? 0u : old + 1u; });
}
