// Figures that were worked out by hand for published models (1 GiB = 2^30 bytes; rank 16 on all
// linears, NF4 with double quantisation, bfloat16, one row of 2,048 or 4,096 tokens, half a GiB for
// CUDA): what the memory and time model are compared with.
#pragma once
#include "models/facts.h"
#include "train/model_sizes.h"

namespace slmtune::train::testing {

inline constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

struct Published {
  const char* name;
  double linears;                          // billions of values
  double base, embeddings, adapter_state;  // GiB
  double whole_2k, whole_4k;               // total where layers keep their input alone
  double kept_2k, kept_4k;                 // total without recomputation
  double once, all, selective;             // GFLOP per token at 2048 tokens
};

inline constexpr Published kModels[] = {
    {"llama3.2-1b", 0.97, 0.47, 0.49, 0.17, 2.0, 2.2, 3.5, 5.1, 5.5, 7.6, 6.9},
    {"qwen2.5-1.5b", 1.31, 0.63, 0.43, 0.28, 2.3, 2.5, 4.8, 7.4, 6.9, 9.7, 8.8},
    {"gemma2-2b", 2.02, 0.97, 1.10, 0.31, 3.6, 3.9, 6.3, 9.2, 11.3, 15.7, 14.3},
    {"llama3.2-3b", 2.82, 1.35, 0.73, 0.36, 3.5, 4.0, 6.5, 10.0, 14.2, 20.3, 18.5},
    {"mistral-7b-v0.3", 6.98, 3.35, 0.50, 0.62, 5.9, 6.7, 11.1, 17.2, 30.6, 45.2, 40.9},
    {"qwen2.5-7b", 6.53, 3.14, 2.03, 0.60, 7.1, 7.8, 12.4, 18.4, 30.0, 43.5, 39.3},
    {"llama3.1-8b", 6.98, 3.35, 1.96, 0.62, 7.3, 8.1, 12.6, 18.7, 32.1, 46.7, 42.4},
    {"gemma2-9b", 8.32, 4.00, 1.71, 0.80, 8.1, 8.8, 15.2, 23.1, 39.8, 57.2, 52.2},
    {"phi4-14b", 13.63, 6.55, 1.91, 0.98, 11.3, 12.4, 19.5, 28.8, 59.9, 88.1, 80.0},
    {"qwen2.5-14b", 13.21, 6.35, 2.90, 1.03, 12.2, 13.4, 20.4, 30.0, 59.9, 87.5, 79.7},
    {"mistral-small-22b", 21.84, 10.49, 0.75, 1.42, 15.0, 16.7, 26.4, 39.5, 93.7, 139, 126},
};

// Tokens per second at 100 % of a card's bfloat16 rate, rows of 2,048 tokens: without recomputation
// and with all of it.
struct Ceiling {
  const char* name;
  double rtx4090[2], rtx3060[2], rtx5090[2], h200[2];
};

inline constexpr Ceiling kCeilings[] = {
    {"llama3.2-1b", {30.1e3, 21.8e3}, {4.65e3, 3.36e3}, {38.2e3, 27.6e3}, {144e3, 104e3}},
    {"qwen2.5-1.5b", {23.9e3, 17.0e3}, {3.70e3, 2.62e3}, {30.4e3, 21.5e3}, {114e3, 81e3}},
    {"gemma2-2b", {14.6e3, 10.6e3}, {2.25e3, 1.63e3}, {18.5e3, 13.4e3}, {70e3, 50e3}},
    {"llama3.2-3b", {11.6e3, 8.2e3}, {1.79e3, 1.26e3}, {14.7e3, 10.3e3}, {56e3, 39e3}},
    {"mistral-7b-v0.3", {5.40e3, 3.66e3}, {834, 565}, {6.85e3, 4.64e3}, {25.8e3, 17.5e3}},
    {"qwen2.5-7b", {5.51e3, 3.80e3}, {851, 586}, {6.99e3, 4.82e3}, {26.4e3, 18.2e3}},
    {"llama3.1-8b", {5.14e3, 3.54e3}, {793, 546}, {6.52e3, 4.48e3}, {24.6e3, 16.9e3}},
    {"gemma2-9b", {4.16e3, 2.89e3}, {641, 446}, {5.27e3, 3.66e3}, {19.9e3, 13.8e3}},
    {"phi4-14b", {2.76e3, 1.87e3}, {426, 289}, {3.50e3, 2.38e3}, {13.2e3, 9.0e3}},
    {"qwen2.5-14b", {2.76e3, 1.89e3}, {426, 292}, {3.50e3, 2.40e3}, {13.2e3, 9.0e3}},
    {"mistral-small-22b", {1.76e3, 1.19e3}, {272, 183}, {2.24e3, 1.51e3}, {8.4e3, 5.7e3}},
};

inline ModelSizes sizes_of_known(const char* name) {
  return sizes_of(models::find_facts(name)->config);
}

}  // namespace slmtune::train::testing
