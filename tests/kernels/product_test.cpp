#include "kernels/matmul/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <tuple>

#include "kernels/matmul/float_product.h"

namespace slmtune::kernels {
namespace {

// A chain of `inner` roundings of numbers up to 1.
double bound(int64_t inner) {
  return 1e-7 * static_cast<double>(inner + 2);
}

double worst(const at::Tensor& found, const at::Tensor& expected) {
  return (found.to(at::kDouble) - expected).abs().max().item<double>();
}

// b as it is, as a view of its transpose, and both with rows that lie apart.
std::vector<at::Tensor> forms_of(const at::Tensor& b) {
  at::Tensor wide = at::rand({b.size(0), b.size(1) + 3}),
             tall = at::rand({b.size(1), b.size(0) + 5});
  wide.narrow(1, 0, b.size(1)).copy_(b);
  tall.narrow(1, 0, b.size(0)).copy_(b.t());
  return {b, b.t().contiguous().t(), wide.narrow(1, 0, b.size(1)),
          tall.narrow(1, 0, b.size(0)).t()};
}

class Products : public ::testing::TestWithParam<std::tuple<int, int, int>> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Products,
                         ::testing::Values(std::tuple(1, 5, 3), std::tuple(8, 1, 1),
                                           std::tuple(13, 17, 31), std::tuple(14, 256, 32),
                                           std::tuple(15, 257, 33), std::tuple(29, 600, 16),
                                           std::tuple(505, 40, 17), std::tuple(64, 0, 9)));

TEST_P(Products, EqualThoseOfWiderNumbers) {
  const auto [rows, inner, columns] = GetParam();
  at::manual_seed(3);
  const at::Tensor a = at::rand({rows, inner}) - 0.5, b = at::rand({inner, columns}) - 0.5;
  const at::Tensor start = at::rand({rows, columns}) - 0.5;
  const at::Tensor expected = a.to(at::kDouble).mm(b.to(at::kDouble));
  for (const at::Tensor& form : forms_of(b)) {
    EXPECT_LE(worst(product(a, form), expected), bound(inner));
    EXPECT_LE(worst(product(a.t().contiguous().t(), form), expected), bound(inner));
    EXPECT_LE(worst(product_on(start, a, form), start.to(at::kDouble) + expected), bound(inner));
    EXPECT_LE(worst(product_on(start[0], a, form), start[0].to(at::kDouble) + expected),
              bound(inner));
    at::Tensor sum = start.clone();
    add_product(sum, a, form, 0.25);
    EXPECT_LE(worst(sum, start.to(at::kDouble) + 0.25 * expected), bound(inner));
  }
}

TEST_P(Products, LeaveWhatLiesBesideTheirResult) {
  const auto [rows, inner, columns] = GetParam();
  at::Tensor whole = at::full({rows, columns + 2}, 7.0f);
  at::Tensor out = whole.narrow(1, 1, columns);
  product_into(out, at::ones({rows, inner}), at::ones({inner, columns}));
  EXPECT_TRUE(at::equal(out, at::full({rows, columns}, static_cast<float>(inner))));
  EXPECT_TRUE(at::equal(whole.select(1, 0), at::full({rows}, 7.0f)));
  EXPECT_TRUE(at::equal(whole.select(1, columns + 1), at::full({rows}, 7.0f)));
}

// What packing, accumulation and resuming rest on.
TEST(FloatProduct, BitsDependNeitherOnNeighboursNorOnThreads) {
  if (!has_float_product()) GTEST_SKIP() << "this machine has no AVX-512";
  at::manual_seed(4);
  const at::Tensor a = at::randn({1030, 700}), b = at::randn({700, 90});
  const int threads = at::get_num_threads();
  const at::Tensor whole = product(a, b);
  EXPECT_TRUE(at::equal(product(a.narrow(0, 500, 37), b), whole.narrow(0, 500, 37)));
  EXPECT_TRUE(at::equal(product(a, b.narrow(1, 40, 20)), whole.narrow(1, 40, 20)));
  EXPECT_TRUE(at::equal(product(a, b.t().contiguous().t()), whole));
  at::set_num_threads(threads == 1 ? 3 : 1);
  EXPECT_TRUE(at::equal(product(a, b), whole));
  at::set_num_threads(threads);
}

// An adapter that is still zero changes no bit, wherever the layer's input is added.
TEST(FloatProduct, WhatIsAddedBehindTheSumsIsAddedOnce) {
  if (!has_float_product()) GTEST_SKIP() << "this machine has no AVX-512";
  at::manual_seed(5);
  const at::Tensor a = at::randn({40, 700}), b = at::randn({700, 33}), start = at::randn({40, 33});
  EXPECT_TRUE(at::equal(product_on(start, a, b), start + product(a, b)));
  EXPECT_TRUE(at::equal(product_on(start[3], a, b), start[3] + product(a, b)));
  at::Tensor sum = start.clone();
  add_product(sum, a, at::zeros({700, 33}));
  EXPECT_TRUE(at::equal(sum, start));
}

TEST(Products, TakeRowsOfAnyShape) {
  const at::Tensor a = at::rand({2, 9, 5}), b = at::rand({5, 4});
  EXPECT_EQ(product(a, b).sizes(), (std::vector<int64_t>{2, 9, 4}));
  EXPECT_LE(worst(product(a, b), at::matmul(a, b).to(at::kDouble)), bound(5));
}

TEST(Products, KeepOtherTypes) {
  for (const at::ScalarType type : {at::kBFloat16, at::kDouble}) {
    const at::Tensor a = at::rand({20, 5}).to(type), b = at::rand({5, 6}).to(type);
    EXPECT_EQ(product(a, b).scalar_type(), type);
    EXPECT_TRUE(at::equal(product(a, b), a.mm(b)));
  }
}

}  // namespace
}  // namespace slmtune::kernels
