// Twins of kernels/cuda/tensor_core.cuh: the lanes of a warp meet, and the last one to come works
// for all of them, in the layout that the PTX manual gives.
#include "tests/emulator/block_emulator.h"
// After the emulator, which it is compiled behind everywhere.
#include "kernels/cuda/tensor_core.cuh"
#include "tests/emulator/access_check.h"

namespace slmtune::kernels {
namespace {

constexpr unsigned kAllLanes = 0xFFFFFFFFu;

float half_of(uint32_t word, int column) {
  return __bfloat162float({static_cast<uint16_t>(word >> (16 * (column % 2)))});
}

struct ProductLane {
  Accumulator* c;
  const FragmentA* a;
  const FragmentB* b;
};

// Element (row, k) of A: lane (row % 8)·4 + (k % 8) / 2, word row / 8 + 2·(k / 8).
float element_a(void* const* lanes, int row, int k) {
  const auto* lane = static_cast<const ProductLane*>(lanes[row % 8 * 4 + k % 8 / 2]);
  return half_of(lane->a->words[row / 8 + 2 * (k / 8)], k);
}
// Element (k, column) of B: lane column·4 + (k % 8) / 2, word k / 8.
float element_b(void* const* lanes, int k, int column) {
  const auto* lane = static_cast<const ProductLane*>(lanes[column * 4 + k % 8 / 2]);
  return half_of(lane->b->words[k / 8], k);
}

void multiply_all(void* const* lanes, unsigned) {
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      auto* owner = static_cast<ProductLane*>(lanes[row % 8 * 4 + column / 2]);
      float& sum = owner->c->values[row / 8 * 2 + column % 2];
      for (int k = 0; k < 16; ++k) sum += element_a(lanes, row, k) * element_b(lanes, k, column);
    }
}

struct MatrixLane {
  const void* row;
  uint32_t* words;
};

// Numbers `first` and `second` of the row that lane `from` gave, as a word.
uint32_t pair(void* const* lanes, int from, int column) {
  const auto* row = static_cast<const uint16_t*>(static_cast<const MatrixLane*>(lanes[from])->row);
  return row[column] | static_cast<uint32_t>(row[column + 1]) << 16;
}
uint32_t number(void* const* lanes, int from, int column) {
  return static_cast<const uint16_t*>(static_cast<const MatrixLane*>(lanes[from])->row)[column];
}

template <int kMatrices>
void load_all(void* const* lanes, unsigned) {
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < kMatrices; ++m)
      static_cast<MatrixLane*>(lanes[lane])->words[m] =
          pair(lanes, m * 8 + lane / 4, 2 * (lane % 4));
}

template <int kMatrices>
void load_all_transposed(void* const* lanes, unsigned) {
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < kMatrices; ++m) {
      const int row = m * 8 + 2 * (lane % 4), column = lane / 4;
      static_cast<MatrixLane*>(lanes[lane])->words[m] =
          number(lanes, row, column) | number(lanes, row + 1, column) << 16;
    }
}

void load(uint32_t* words, const void* row, unsigned givers, emulator::Combine combine,
          const std::source_location& where) {
  if (emulator::lane_index() < givers) {
    if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
      emulator::fail("loads a matrix row from an address that is no multiple of 16");
    emulator::check_access(row, 16, emulator::Access::kRead);
  }
  MatrixLane mine{row, words};
  emulator::meet_warp(kAllLanes, &mine, combine, false, where);
}

}  // namespace

void multiply_add(Accumulator& c, const FragmentA& a, const FragmentB& b,
                  const std::source_location& where) {
  ProductLane mine{&c, &a, &b};
  emulator::meet_warp(kAllLanes, &mine, multiply_all, false, where);
}

void load_matrices(uint32_t (&words)[4], const void* row, const std::source_location& where) {
  load(words, row, 32, load_all<4>, where);
}
void load_matrices(uint32_t (&words)[2], const void* row, const std::source_location& where) {
  load(words, row, 16, load_all<2>, where);
}
void load_matrices_transposed(uint32_t (&words)[4], const void* row,
                              const std::source_location& where) {
  load(words, row, 32, load_all_transposed<4>, where);
}
void load_matrices_transposed(uint32_t (&words)[2], const void* row,
                              const std::source_location& where) {
  load(words, row, 16, load_all_transposed<2>, where);
}

}  // namespace slmtune::kernels
