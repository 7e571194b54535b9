// Decisions of attention that need no GPU: who computes it, and what it is told about rows and
// windows.
#include "kernels/attention/attention_path.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/attention/library_attention.h"
#include "kernels/attention/row_starts.h"

namespace slmtune::kernels {
namespace {

constexpr int64_t kCards[] = {80, 86, 89, 90, 120};

AttentionPath path(AttentionNumber number, int64_t head_dim, int64_t capability,
                   bool has_soft_cap = false, bool is_aligned = true) {
  return attention_path({.number = number,
                         .head_dim = head_dim,
                         .has_soft_cap = has_soft_cap,
                         .is_aligned = is_aligned,
                         .capability = static_cast<int>(capability)});
}

constexpr AttentionNumber kF32 = AttentionNumber::kFloat32, kBF16 = AttentionNumber::kBFloat16,
                          kF64 = AttentionNumber::kFloat64;

TEST(AttentionPath, TheCpuHasItsLoopsForEverything) {
  for (const AttentionNumber number : {kF32, kBF16, kF64})
    for (const bool has_soft_cap : {false, true})
      EXPECT_EQ(attention_path({.number = number,
                                .head_dim = 7,
                                .has_soft_cap = has_soft_cap,
                                .is_aligned = false,
                                .on_cpu = true}),
                AttentionPath::kLoops);
}

TEST(AttentionPath, HeadsOfKnownModelsTakeFlashAttentionInBfloat16) {
  for (const int64_t card : kCards)
    for (const int64_t head_dim : {64, 80, 96, 128, 160, 192, 256})
      EXPECT_EQ(path(kBF16, head_dim, card), AttentionPath::kFlash) << head_dim << " " << card;
}

// Its backward pass for these needs more shared memory than a block has on the others.
TEST(AttentionPath, HeadsOf200TakeFlashAttentionOnlyWhereItsBackwardPassFits) {
  for (const int64_t card : {80, 90, 100}) EXPECT_EQ(path(kBF16, 200, card), AttentionPath::kFlash);
  for (const int64_t card : {86, 89, 120})
    EXPECT_EQ(path(kBF16, 200, card), AttentionPath::kEfficient);
}

TEST(AttentionPath, RowsThatFlashAttentionCannotIndexTakeEfficientAttention) {
  AttentionShape shape{
      .head_dim = 128, .capability = 90, .tokens = 1 << 18, .rows = 4, .heads = 32};
  EXPECT_EQ(attention_path(shape), AttentionPath::kFlash);
  shape.rows = 4096;
  EXPECT_EQ(attention_path(shape), AttentionPath::kEfficient);
}

TEST(AttentionPath, WideHeadsAndFloat32TakeEfficientAttention) {
  EXPECT_EQ(path(kBF16, 264, 90), AttentionPath::kEfficient);
  for (const int64_t head_dim : {4, 64, 128, 256, 300})
    EXPECT_EQ(path(kF32, head_dim, 89), AttentionPath::kEfficient);
}

TEST(AttentionPath, HeadsThatAreNoWholePiecesOf16BytesTakeOurPlainKernel) {
  EXPECT_EQ(path(kBF16, 12, 89), AttentionPath::kPlain);
  EXPECT_EQ(path(kF32, 6, 89), AttentionPath::kPlain);
  EXPECT_EQ(path(kBF16, 64, 89, false, false), AttentionPath::kPlain);
  EXPECT_EQ(path(kF32, 64, 89, false, false), AttentionPath::kPlain);
}

TEST(AttentionPath, SoftCapsTakeOurKernels) {
  for (const int64_t card : kCards)
    for (const int64_t head_dim : {64, 96, 128, 256})
      EXPECT_EQ(path(kBF16, head_dim, card, true), AttentionPath::kTensorCores);
  EXPECT_EQ(path(kBF16, 80, 89, true), AttentionPath::kPlain);
  EXPECT_EQ(path(kBF16, 256, 89, true, false), AttentionPath::kPlain);
  EXPECT_EQ(path(kF32, 256, 89, true), AttentionPath::kPlain);
}

TEST(AttentionPath, WhatNoKernelTakesIsWrittenOut) {
  EXPECT_EQ(path(kF64, 64, 89), AttentionPath::kExact);
  EXPECT_EQ(path(kF32, 512, 89, true), AttentionPath::kExact);
  EXPECT_EQ(path(kBF16, 257, 89), AttentionPath::kExact);
}

TEST(AttentionPath, EachHasAName) {
  EXPECT_STREQ(name_of(AttentionPath::kFlash), "flash");
  EXPECT_STREQ(name_of(AttentionPath::kTensorCores), "tensor cores");
}

// A window counts the token itself, flash attention the tokens before it.
TEST(FlashAttention, SeesOneTokenFewerThanTheWindowBeforeItself) {
  const RowStarts rows = {0, 100, 140};
  const FlashWindow narrow = flash_window({.window = 7}, rows);
  EXPECT_EQ(narrow.left, 6);
  EXPECT_EQ(narrow.right, 0);
  for (const int64_t window : {0, 100, 4096})
    EXPECT_FALSE(flash_window({.window = window}, rows).left.has_value()) << window;
  EXPECT_EQ(flash_window({.window = 1}, rows).left, 0);
}

TEST(FlashAttention, IsNeverToldOfRowsOfOneTokenAlone) {
  EXPECT_EQ(flash_longest({0, 1, 2, 3}), 2);
  EXPECT_EQ(flash_longest({0, 30, 90}), 60);
}

TEST(RowStarts, KnowTheLongestRow) {
  EXPECT_EQ((RowStarts{0, 3, 3, 10}).longest, 7);
  EXPECT_EQ((RowStarts{0, 3, 3, 10}).rows(), 3);
  EXPECT_EQ((RowStarts{0}).longest, 0);
}

TEST(RowStarts, NeedNoOffsetsOnTheCpuAndKeepThoseTheyHave) {
  RowStarts rows = {0, 3, 10};
  EXPECT_FALSE(rows.on(at::kCPU).offsets.defined());
  rows.offsets = int32_on(rows.starts, at::kCPU);
  EXPECT_TRUE(at::equal(rows.offsets, at::tensor({0, 3, 10}, at::kInt)));
  EXPECT_TRUE(rows.on(at::kCUDA).offsets.is_same(rows.offsets));
}

}  // namespace
}  // namespace slmtune::kernels
