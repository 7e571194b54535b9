#include "models/input_squares.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

using namespace slmtune::testing;

// What goes into every linear, seen by hooks of the test's own.
std::map<std::string, at::Tensor> inputs_of(CausalLM& model, const at::Tensor& ids) {
  std::map<std::string, at::Tensor> inputs;
  model.for_each_linear([&](const std::string& module, Linear& linear) {
    linear.on_input = [&inputs, module](const at::Tensor& x) { inputs[module] = x.clone(); };
  });
  const at::NoGradGuard no_gradients;
  model.hidden(ids, Layout::single(ids.size(0)));
  model.for_each_linear([](const std::string&, Linear& linear) { linear.on_input = nullptr; });
  return inputs;
}

TEST(InputSquares, AddUpTheSquaresOfEveryColumnOverAllRows) {
  for (const Family& family : families()) {
    auto model = tiny_model(std::string(family.architecture));
    const at::Tensor first = some_ids(9), second = some_ids(4);
    const auto of_first = inputs_of(*model, first), of_second = inputs_of(*model, second);
    const InputSquares squares(*model);
    const at::NoGradGuard no_gradients;
    model->hidden(first, Layout::single(9));
    model->hidden(second, Layout::single(4));
    EXPECT_EQ(squares.columns().size(), of_first.size());
    for (const auto& [module, columns] : squares.columns()) {
      const at::Tensor expected = of_first.at(module).to(at::kDouble).square().sum(0) +
                                  of_second.at(module).to(at::kDouble).square().sum(0);
      EXPECT_TRUE(at::allclose(columns.sums, expected, 1e-6, 1e-9)) << module;
      EXPECT_EQ(columns.rows, 13) << module;
    }
  }
}

TEST(InputSquares, LeaveTheModelAsItWas) {
  auto model = tiny_model("LlamaForCausalLM");
  const at::NoGradGuard no_gradients;
  const at::Tensor ids = some_ids(5), before = model->hidden(ids, Layout::single(5));
  {
    const InputSquares squares(*model);
    EXPECT_TRUE(at::equal(model->hidden(ids, Layout::single(5)), before));
  }
  model->for_each_linear(
      [](const std::string& module, Linear& linear) { EXPECT_FALSE(linear.on_input) << module; });
}

}  // namespace
}  // namespace slmtune::models
