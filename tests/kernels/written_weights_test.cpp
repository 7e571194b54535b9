#include "kernels/quant/written_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace slmtune::kernels {
namespace {

struct Weights {
  explicit Weights(const std::string& format = "nf4") {
    at::manual_seed(1);
    for (const int64_t out : {8, 16, 24, 8})
      all.push_back(quant_format(format)(at::randn({out, 64})));
  }
  const FrozenWeight& operator[](size_t i) const { return *all[i]; }
  std::vector<std::unique_ptr<FrozenWeight>> all;
};

void expect_dense(const at::Tensor& found, const FrozenWeight& weight) {
  EXPECT_TRUE(at::equal(found, weight.dense(found.scalar_type())));
}

// Forward through all, back through all but the last in the opposite order.
const std::vector<size_t> kOrder = {0, 1, 2, 3, 2, 1, 0};

TEST(UseOrder, KnowsWhatFollowsAfterOneRound) {
  const int things[3] = {};
  UseOrder order;
  for (const int& thing : things) EXPECT_EQ(order.use(&thing), nullptr);
  order.begin();
  EXPECT_EQ(order.use(&things[0]), &things[1]);
  EXPECT_EQ(order.use(&things[1]), &things[2]);
  EXPECT_EQ(order.use(&things[2]), nullptr);
}

TEST(UseOrder, TellsUsesOfTheSameThingApartByTheirPlace) {
  const int a = 0, b = 0, c = 0;
  UseOrder order;
  for (const int* use : {&a, &b, &a, &c}) order.use(use);
  order.begin();
  EXPECT_EQ(order.use(&a), &b);
  EXPECT_EQ(order.use(&b), &a);
  EXPECT_EQ(order.use(&a), &c);
}

TEST(UseOrder, ForgetsWhatCameOtherwise) {
  const int a = 0, b = 0, c = 0;
  UseOrder order;
  for (const int* use : {&a, &b, &c}) order.use(use);
  order.begin();
  order.use(&a);
  EXPECT_EQ(order.use(&c), nullptr);
  order.begin();
  EXPECT_EQ(order.use(&a), &c);
}

TEST(UseOrder, KeepsTheRestOfARoundThatEndedEarly) {
  const int a = 0, b = 0;
  UseOrder order;
  for (const int* use : {&a, &b}) order.use(use);
  order.begin();
  order.use(&a);  // as a validation does, which has no backward pass
  order.begin();
  EXPECT_EQ(order.use(&a), &b);
}

class WrittenAhead : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Both, WrittenAhead, ::testing::Bool());

TEST_P(WrittenAhead, GivesTheBitsOfDense) {
  const Weights weights;
  WrittenWeights written(at::kCPU, GetParam());
  for (int round = 0; round < 3; ++round) {
    written.begin();
    for (const size_t i : kOrder) expect_dense(written.of(weights[i], at::kBFloat16), weights[i]);
  }
  EXPECT_EQ(written.written(), 3 * 7);
  EXPECT_EQ(written.in_vain(), 0);
}

TEST_P(WrittenAhead, SurvivesAnotherOrderAndAnotherType) {
  const Weights weights;
  WrittenWeights written(at::kCPU, GetParam());
  const std::vector<std::vector<size_t>> rounds = {{0, 1, 2}, {0, 2, 1}, {0, 1}, {3}, {0, 1, 2}};
  for (const std::vector<size_t>& round : rounds)
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
      written.begin();
      for (const size_t i : round) expect_dense(written.of(weights[i], type), weights[i]);
    }
  written.settle();
  EXPECT_EQ(written.in_vain() > 0, GetParam());
}

TEST_P(WrittenAhead, LeavesWhatWasHandedOutAlone) {
  const Weights weights;
  WrittenWeights written(at::kCPU, GetParam());
  for (int round = 0; round < 2; ++round) {
    written.begin();
    std::vector<at::Tensor> held;
    for (size_t i = 0; i < 4; ++i) held.push_back(written.of(weights[i], at::kFloat));
    for (size_t i = 0; i < 4; ++i) expect_dense(held[i], weights[i]);
  }
}

TEST_P(WrittenAhead, KeepsMatricesWhileTheyAreNeededAgain) {
  const Weights weights;
  WrittenWeights written(at::kCPU, GetParam());
  for (int round = 0; round < 2; ++round) {
    written.begin();
    const int64_t before = written.written();
    {
      const WrittenWeights::Kept kept(&written);
      const at::Tensor first = written.of(weights[0], at::kFloat);
      expect_dense(written.of(weights[1], at::kFloat), weights[1]);
      EXPECT_TRUE(written.of(weights[0], at::kFloat).is_same(first));
      expect_dense(written.of(weights[0], at::kBFloat16),
                   weights[0]);  // another type is another matrix
    }
    expect_dense(written.of(weights[0], at::kFloat), weights[0]);
    EXPECT_LE(written.written() - before, 5);
  }
}

TEST_P(WrittenAhead, HasRoomBehindTheRowsOfThoseThatAskForIt) {
  const Weights weights;
  WrittenWeights written(at::kCPU, GetParam());
  for (int round = 0; round < 3; ++round) {
    written.begin();
    for (const size_t i : {0, 1, 2}) {
      const int64_t room = i == 1 ? 0 : 8;
      const at::Tensor dense = written.of(weights[i], at::kBFloat16, room);
      with_room(dense).slice(1, dense.size(1)).fill_(1.0);
      expect_dense(dense, weights[i]);
      EXPECT_EQ(room_behind(dense), room);
      EXPECT_EQ(with_room(dense).size(1), dense.size(1) + room);
    }
  }
  EXPECT_EQ(written.in_vain(), 0);
  EXPECT_EQ(room_behind(written.of(weights[0], at::kDouble, 8)), 0);  // converted, not written
}

TEST(WrittenWeights, HandsDenseWeightsOutAsTheyAre) {
  const Weights weights("none");
  WrittenWeights written(at::kCPU, true);
  const at::Tensor first = written.of(weights[0], at::kFloat);
  EXPECT_EQ(first.const_data_ptr(), written.of(weights[0], at::kFloat).const_data_ptr());
  EXPECT_EQ(written.written(), 0);
}

}  // namespace
}  // namespace slmtune::kernels
