#include "kernels/matmul/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <tuple>
#include <vector>

#include "kernels/matmul/tiled_product.h"

namespace slmtune::kernels {
namespace {

// Of a chain of `inner` roundings of numbers up to 1, and of the result's own type.
double bound(int64_t inner, at::ScalarType type) {
  const double last = type == at::kBFloat16 ? 0.004 * (1.0 + 0.05 * static_cast<double>(inner)) : 0;
  return 1e-7 * static_cast<double>(inner + 2) + last;
}

struct Shape {
  int64_t rows, inner, columns;
};

double worst(const at::Tensor& found, const at::Tensor& expected) {
  return (found.to(at::kDouble) - expected).abs().max().item<double>();
}

// b as it is, as a view of its transpose, and both with rows that lie apart.
std::vector<at::Tensor> forms_of(const at::Tensor& b) {
  at::Tensor wide = at::rand({b.size(0), b.size(1) + 3}).to(b.scalar_type()),
             tall = at::rand({b.size(1), b.size(0) + 5}).to(b.scalar_type());
  wide.narrow(1, 0, b.size(1)).copy_(b);
  tall.narrow(1, 0, b.size(0)).copy_(b.t());
  return {b, b.t().contiguous().t(), wide.narrow(1, 0, b.size(1)),
          tall.narrow(1, 0, b.size(0)).t()};
}

class Products : public ::testing::TestWithParam<std::tuple<at::ScalarType, Shape>> {
 protected:
  at::ScalarType type() const { return std::get<0>(GetParam()); }
  Shape shape() const { return std::get<1>(GetParam()); }
  at::Tensor random(int64_t rows, int64_t columns) {
    return (at::rand({rows, columns}) - 0.5).to(type());
  }
};
INSTANTIATE_TEST_SUITE_P(
    Shapes, Products,
    ::testing::Combine(::testing::Values(at::kFloat, at::kBFloat16, at::kDouble),
                       ::testing::Values(Shape{1, 5, 3}, Shape{8, 1, 1}, Shape{13, 17, 31},
                                         Shape{14, 256, 32}, Shape{15, 513, 33},
                                         Shape{29, 1300, 16}, Shape{505, 40, 17},
                                         Shape{20, 1101, 300}, Shape{1040, 3, 40},
                                         Shape{64, 0, 9})));

TEST_P(Products, EqualThoseOfWiderNumbers) {
  const auto [rows, inner, columns] = shape();
  at::manual_seed(3);
  const at::Tensor a = random(rows, inner), b = random(inner, columns);
  const at::Tensor start = random(rows, columns), wide_start = start.to(at::kDouble);
  const at::Tensor expected = a.to(at::kDouble).mm(b.to(at::kDouble));
  const double most = bound(inner, type());
  for (const at::Tensor& form : forms_of(b)) {
    EXPECT_EQ(product(a, form).scalar_type(), type());
    EXPECT_LE(worst(product(a, form), expected), most);
    EXPECT_LE(worst(product(a.t().contiguous().t(), form), expected), most);
    EXPECT_LE(worst(product_on(start, a, form), wide_start + expected), most);
    EXPECT_LE(worst(product_on(start[0], a, form), wide_start[0] + expected), most);
    at::Tensor sum = start.clone();
    add_product(sum, a, form, 0.25);
    EXPECT_LE(worst(sum, wide_start + 0.25 * expected), most);
  }
}

TEST_P(Products, KeepTheirSumsWhereAskedTo) {
  const auto [rows, inner, columns] = shape();
  const at::ScalarType kept = type() == at::kBFloat16 ? at::kFloat : type();
  at::manual_seed(8);
  const at::Tensor a = random(rows, inner), b = random(inner, columns);
  const at::Tensor expected = a.to(at::kDouble).mm(b.to(at::kDouble));
  // Without the tiles bfloat16 is rounded on the way.
  const bool is_rounded = type() == at::kBFloat16 && (!multiplies_in_tiles(type()) || rows < 8);
  const double most = bound(inner, is_rounded ? at::kBFloat16 : at::kFloat);
  for (const at::Tensor& form : forms_of(a)) {
    const at::Tensor found = product_as(kept, form, b);
    EXPECT_EQ(found.scalar_type(), kept);
    EXPECT_LE(worst(found, expected), most);
  }
}

TEST_P(Products, TakeAnAdapterAlong) {
  const auto [rows, inner, columns] = shape();
  at::manual_seed(9);
  const at::Tensor a = random(rows, inner), b = random(inner, columns);
  const at::Tensor start = random(rows, columns), none;
  const at::Tensor plain = a.to(at::kDouble).mm(b.to(at::kDouble));
  for (const int64_t rank : {1, 5, 16, 128, 130}) {
    // A part of wider rows, and B as it is stored: [columns, rank].
    const LowProduct low{random(rows, rank + 3).narrow(1, 2, rank), random(columns, rank).t(), 0.5};
    const at::Tensor sum = plain + low.scale * low.a.to(at::kDouble).mm(low.b.to(at::kDouble));
    const double most = bound(inner + rank, type());
    for (const at::Tensor& form : forms_of(b)) {
      EXPECT_LE(worst(product_with(none, a, form, low), sum), most) << rank;
      EXPECT_LE(worst(product_with(start, a, form, low), start.to(at::kDouble) + sum), most);
      EXPECT_LE(worst(product_with(start[0], a, form, low), start[0].to(at::kDouble) + sum), most);
    }
  }
}

// Memory right before pages that must not be touched.
class Guarded {
 public:
  explicit Guarded(const at::Tensor& values) {
    const size_t bytes = static_cast<size_t>(values.numel() * values.element_size());
    before_ = (bytes + kPage - 1) / kPage * kPage;
    base_ = static_cast<char*>(
        mmap(nullptr, before_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + before_, kPage, PROT_NONE);
    tensor = at::from_blob(base_ + before_ - bytes, values.sizes(), values.options());
    tensor.copy_(values);
  }
  ~Guarded() { munmap(base_, before_ + kPage); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  at::Tensor tensor;

 private:
  static constexpr size_t kPage = 4096;
  char* base_ = nullptr;
  size_t before_ = 0;
};

TEST_P(Products, TouchNothingBehindTheirMatrices) {
  const auto [rows, inner, columns] = shape();
  if (inner == 0) GTEST_SKIP() << "no memory to guard";
  at::manual_seed(6);
  Guarded a(random(rows, inner)), b(random(inner, columns)), turned(b.tensor.t().contiguous());
  Guarded out(random(rows, columns)), start(random(1, columns));
  product_into(out.tensor, a.tensor, b.tensor);
  const at::Tensor expected = a.tensor.to(at::kDouble).mm(b.tensor.to(at::kDouble));
  EXPECT_LE(worst(out.tensor, expected), bound(inner, type()));
  EXPECT_LE(worst(product(a.tensor, turned.tensor.t()), expected), bound(inner, type()));
  EXPECT_EQ(product_on(start.tensor[0], a.tensor, b.tensor).sizes(), out.tensor.sizes());
}

TEST_P(Products, LeaveWhatLiesBesideTheirResult) {
  const auto [rows, inner, columns] = shape();
  const auto options = at::TensorOptions().dtype(type());
  at::Tensor whole = at::full({rows, columns + 2}, 7.0, options);
  at::Tensor out = whole.narrow(1, 1, columns);
  product_into(out, at::ones({rows, inner}, options), at::ones({inner, columns}, options));
  EXPECT_TRUE(at::equal(out, at::full({rows, columns}, static_cast<double>(inner), options)));
  EXPECT_TRUE(at::equal(whole.select(1, 0), at::full({rows}, 7.0, options)));
  EXPECT_TRUE(at::equal(whole.select(1, columns + 1), at::full({rows}, 7.0, options)));
}

// What packing, accumulation and resuming rest on.
TEST(TiledProduct, BitsDependNeitherOnNeighboursNorOnThreads) {
  if (!has_tiled_product<float>()) GTEST_SKIP() << "this machine has no AVX-512";
  at::manual_seed(4);
  const int threads = at::get_num_threads();
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    if (type == at::kBFloat16 && !has_tiled_product<BFloat16Bits>()) continue;
    const at::Tensor a = at::randn({1050, 1300}).to(type), b = at::randn({1300, 390}).to(type);
    const at::Tensor whole = product(a, b);
    EXPECT_TRUE(at::equal(product(a.narrow(0, 500, 37), b), whole.narrow(0, 500, 37)));
    EXPECT_TRUE(at::equal(product(a, b.narrow(1, 40, 20)), whole.narrow(1, 40, 20)));
    EXPECT_TRUE(at::equal(product(a, b.t().contiguous().t()), whole));
    EXPECT_TRUE(at::equal(product(a.t().contiguous().t(), b), whole));
    at::set_num_threads(threads == 1 ? 3 : 1);
    EXPECT_TRUE(at::equal(product(a, b), whole));
    EXPECT_TRUE(at::equal(product(a, b.narrow(1, 40, 20)), whole.narrow(1, 40, 20)));
    at::set_num_threads(threads);
  }
}

// An adapter that is still zero changes no bit, wherever the layer's input is added.
template <typename Number>
void expect_same_from_panels(at::ScalarType type) {
  if (!has_tiled_product<Number>()) GTEST_SKIP() << "this processor lacks the instructions";
  constexpr int64_t kRows = 45, kInner = 1101, kColumns = 173;
  at::manual_seed(10);
  const at::Tensor a = at::rand({kRows, kInner}).to(type),
                   b = at::rand({kInner, kColumns}).to(type);
  const auto numbers = [](const at::Tensor& x) {
    return static_cast<const Number*>(x.const_data_ptr());
  };
  const at::Tensor turned = b.t().contiguous();
  for (const Operand<Number>& whole : {Operand<Number>{numbers(b), kColumns, false},
                                       Operand<Number>{numbers(turned), kInner, true}}) {
    const at::Tensor memory = at::empty({panels_size<Number>(kInner, kColumns)});
    const Panels<Number> panels =
        pack_panels(whole, kInner, kColumns, memory.mutable_data_ptr<float>());
    for (const auto [row, inner, column, columns] : {std::array<int64_t, 4>{0, kInner, 0, kColumns},
                                                     {0, 640, 64, 96},
                                                     {96, 2, 32, 1},
                                                     {1056, 45, 160, 13}}) {
      TiledProduct<Number, float> product{.a = {numbers(a), kInner, false},
                                          .b = whole,
                                          .out = nullptr,
                                          .out_stride = columns,
                                          .rows = kRows,
                                          .inner = inner,
                                          .columns = columns};
      product.b.data += whole.is_transposed ? column * kInner + row : row * kColumns + column;
      const at::Tensor from_b = at::empty({kRows, columns}), from_panels = at::empty_like(from_b);
      product.out = from_b.mutable_data_ptr<float>();
      multiply_tiled(product);
      product.b = {};
      product.panels = panels.from_row(row).from_column(column);
      product.out = from_panels.mutable_data_ptr<float>();
      multiply_tiled(product);
      EXPECT_TRUE(at::equal(from_b, from_panels)) << whole.is_transposed << ' ' << row;
    }
  }
}

TEST(TiledProduct, PartsOfPackedPanelsGiveTheSameBits) {
  expect_same_from_panels<float>(at::kFloat);
  expect_same_from_panels<BFloat16Bits>(at::kBFloat16);
}

TEST(TiledProduct, WhatIsAddedBehindTheSumsIsAddedOnce) {
  if (!has_tiled_product<float>()) GTEST_SKIP() << "this machine has no AVX-512";
  at::manual_seed(5);
  const at::Tensor a = at::randn({40, 700}), b = at::randn({700, 33}), start = at::randn({40, 33});
  EXPECT_TRUE(at::equal(product_on(start, a, b), start + product(a, b)));
  EXPECT_TRUE(at::equal(product_on(start[3], a, b), start[3] + product(a, b)));
  at::Tensor sum = start.clone();
  add_product(sum, a, at::zeros({700, 33}));
  EXPECT_TRUE(at::equal(sum, start));
  const LowProduct fresh{at::randn({40, 16}), at::zeros({16, 33}), 2.0};
  EXPECT_TRUE(at::equal(product_with(start, a, b, fresh), product_on(start, a, b)));
}

TEST(Product, TakesRowsOfAnyShape) {
  const at::Tensor a = at::rand({2, 9, 5}), b = at::rand({5, 4});
  EXPECT_EQ(product(a, b).sizes(), (std::vector<int64_t>{2, 9, 4}));
  EXPECT_LE(worst(product(a, b), at::matmul(a, b).to(at::kDouble)), bound(5, at::kFloat));
}

}  // namespace
}  // namespace slmtune::kernels
