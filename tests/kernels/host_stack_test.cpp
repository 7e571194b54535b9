#include "kernels/host_stack.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

TEST(HostStack, GivesTensorsBackInTheOppositeOrder) {
  HostStack stack(at::kCPU);
  std::vector<at::Tensor> pushed;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
    pushed.push_back(at::randn({5, 3}).to(type));
    stack.push(pushed.back());
  }
  EXPECT_EQ(stack.size(), 3u);
  for (; !pushed.empty(); pushed.pop_back()) EXPECT_TRUE(at::equal(stack.pop(), pushed.back()));
  EXPECT_EQ(stack.size(), 0u);
}

TEST(HostStack, HoldsCopiesOfWhatItWasGiven) {
  HostStack stack(at::kCPU);
  const at::Tensor x = at::randn({4, 6}), before = x.t().clone();
  stack.push(x.t());  // not contiguous
  at::Tensor(x).zero_();
  EXPECT_TRUE(at::equal(stack.pop(), before));
}

TEST(HostStack, TakesTurnsOfPushesAndPops) {
  HostStack stack(at::kCPU);
  const at::Tensor a = at::full({2}, 1.0), b = at::full({2}, 2.0), c = at::full({2}, 3.0);
  stack.push(a);
  stack.push(b);
  EXPECT_TRUE(at::equal(stack.pop(), b));  // `a` is on its way now
  stack.push(c);
  EXPECT_TRUE(at::equal(stack.pop(), c));
  EXPECT_TRUE(at::equal(stack.pop(), a));
}

TEST(HostStack, RefusesToPopWhatIsNotThere) {
  HostStack stack(at::kCPU);
  EXPECT_THROW(stack.pop(), InternalError);
}

}  // namespace
}  // namespace slmtune::kernels
