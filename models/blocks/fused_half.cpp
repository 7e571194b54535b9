#include "models/blocks/fused_half.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <utility>

#include "core/error.h"
#include "kernels/matmul/product.h"
#include "kernels/quant/quantised_weight.h"

namespace slmtune::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::optional<LowRank> active_adapter(const Linear& linear) {
  if (!linear.adapter || !linear.use_adapter) return std::nullopt;
  return linear.adapter->low_rank();
}

bool trains(const at::Tensor& tensor) {
  return tensor.defined() && tensor.requires_grad();
}

bool is_plain(const Linear& linear) {
  const at::Tensor* weight = linear.weight->trainable();
  if ((weight != nullptr && trains(*weight)) || trains(linear.bias)) return false;
  return !linear.adapter || !linear.use_adapter || linear.adapter->low_rank().has_value();
}

using Low = std::optional<kernels::LowProduct>;

// One linear of a half, its weight written out in x's dtype.
struct Projection {
  // x·Wᵀ (+ bias) (+ low)
  at::Tensor forward(const at::Tensor& x, const Low& low) const {
    if (matmul == kernels::Matmul::kModel && low)
      return kernels::product_with(bias, x, weight.t(), *low);
    if (matmul == kernels::Matmul::kModel && bias.defined())
      return kernels::product_on(bias, x, weight.t());
    at::Tensor y = kernels::times_transposed(x, weight, matmul);
    if (bias.defined()) y.add_(bias);
    if (low) kernels::add_product(y, low->a, low->b, low->scale);
    return y;
  }

  // dY·W (+ low)
  at::Tensor backward(const at::Tensor& grad_y, const Low& low) const {
    if (matmul == kernels::Matmul::kModel && low)
      return kernels::product_with({}, grad_y, weight, *low);
    at::Tensor gradient = kernels::times(grad_y, weight, matmul);
    if (low) kernels::add_product(gradient, low->a, low->b, low->scale);
    return gradient;
  }

  at::Tensor weight, bias;
  kernels::Matmul matmul;
};

// s · low · Bᵀ
kernels::LowProduct low_product(const at::Tensor& low, const LowRank& adapter) {
  return {low, adapter.b.to(low.scalar_type()).t(), adapter.scale};
}

// Columns behind the inputs' weights that all their adapters' B go to, as they lie in u: whole
// pieces of 16 bytes. 0 where a weight is not written out each time.
int64_t room_for_low_rank(const Half& half, const std::vector<std::optional<LowRank>>& adapters) {
  int64_t ranks = 0;
  for (size_t i = 0; i < half.inputs.size(); ++i) {
    const kernels::FrozenWeight* weight = half.inputs[i].linear.weight.get();
    if (dynamic_cast<const kernels::QuantisedWeight*>(weight) == nullptr) return 0;
    if (adapters[i]) ranks += adapters[i]->a.size(0);
  }
  return (ranks + 7) / 8 * 8;
}

// s·B behind `weight`, from column `first` of its room on, and zeros beside it. -> [W, 0, s·B, 0]
at::Tensor with_low_rank(const at::Tensor& weight, const LowRank& adapter, int64_t first) {
  at::Tensor whole = kernels::with_room(weight);
  const int64_t in = weight.size(1), rank = adapter.b.size(1);
  whole.slice(1, in).zero_();
  whole.narrow(1, in + first, rank).copy_(adapter.b.detach() * adapter.scale);
  return whole;
}

// s·dYᵀ·low, formed as (lowᵀ·dY)ᵀ, which is computed faster.
at::Tensor gradient_of_b(const at::Tensor& grad_y, const at::Tensor& low, const LowRank& adapter) {
  const at::Tensor transposed = kernels::product_as(adapter.b.scalar_type(), low.t(), grad_y);
  return transposed.mul_(adapter.scale).t().contiguous();
}

// What a half does from its forward to the end of its backward pass.
class Pass final : public torch::CustomClassHolder {
 public:
  Pass(const Half& half, const LayerInput& input)
      : half_(half),
        rows_{input.rotation, input.layout.rows()},
        recompute_(input.recompute),
        written_(input.form.written),
        matmul_(input.form.matmul),
        output_adapter_(active_adapter(half.output.linear)) {
    for (const NamedLinear& each : half.inputs) adapters_.push_back(active_adapter(each.linear));
    if (input.form.joins_low_rank && written_ != nullptr && matmul_ == kernels::Matmul::kModel)
      room_ = room_for_low_rank(half_, adapters_);
  }

  // A and B of every adapter, inputs first.
  std::vector<at::Tensor> trained() const {
    std::vector<at::Tensor> tensors;
    const auto add = [&](const std::optional<LowRank>& adapter) {
      if (adapter) tensors.insert(tensors.end(), {adapter->a, adapter->b});
    };
    for (const auto& adapter : adapters_) add(adapter);
    add(output_adapter_);
    return tensors;
  }

  at::Tensor forward(const at::Tensor& x);
  // Gradients of x, undefined unless asked for, and of trained().
  variable_list backward(const at::Tensor& grad_y, bool with_x);

 private:
  at::ScalarType type() const { return x_.scalar_type(); }
  at::Tensor dense(const Linear& linear, int64_t room = 0) const {
    return written_ != nullptr ? written_->of(*linear.weight, type(), room)
                               : linear.weight->dense(type());
  }
  kernels::Normed normed_input() const {
    return kernels::rms_norm_forward(x_, half_.before.weight, half_.before.eps, half_.before.form);
  }
  at::Tensor stacked_a() const;
  at::Tensor beside_low(const at::Tensor& normed) const;
  at::Tensor input_product(size_t i, int64_t column, const at::Tensor& weight,
                           const at::Tensor& normed) const;
  void project(const at::Tensor& normed, std::vector<at::Tensor>* weights);
  at::Tensor add_output(const at::Tensor& mixed);
  at::Tensor output_gradient(const at::Tensor& grad_y) const;
  at::Tensor mixed_gradient(const at::Tensor& grad_out, at::Tensor& grad_low) const;
  at::Tensor pull_through_mixer(at::Tensor gradient);
  at::Tensor low_input_gradient() const;
  at::Tensor input_gradient(const at::Tensor& grad_low, std::vector<at::Tensor>& weights) const;
  void add_input_gradients(const at::Tensor& grad_low, const at::Tensor& normed,
                           variable_list& gradients) const;

  const Half& half_;
  PackedRows rows_;
  bool recompute_;
  kernels::WrittenWeights* written_;
  kernels::Matmul matmul_;
  std::vector<std::optional<LowRank>> adapters_;  // one per input linear
  std::optional<LowRank> output_adapter_;
  int64_t room_ = 0;  // behind the rows of h and of the inputs' weights, for u and B

  at::Tensor x_;                     // [T, D]
  at::Tensor low_in_, low_out_;      // h·[A₁; A₂; …]ᵀ and mixed·Aᵀ [T, ranks]
  std::vector<at::Tensor> outputs_;  // of the input linears, prepared; later their gradients
  std::vector<at::Tensor> mixed_;    // what the mixer keeps
  at::Tensor projected_;             // what goes into the norm behind the output
};

// [A₁; A₂; …] of the input linears that have an adapter; undefined when none has.
at::Tensor Pass::stacked_a() const {
  std::vector<at::Tensor> rows;
  for (const auto& adapter : adapters_)
    if (adapter) rows.push_back(adapter->a.detach().to(type()));
  if (rows.empty()) return {};
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

// h [T, D]; where products take the adapters along, its rows have u and zeros behind them.
at::Tensor Pass::beside_low(const at::Tensor& normed) const {
  if (room_ == 0) return normed;
  const at::Tensor rest = at::zeros({normed.size(0), room_ - low_in_.size(1)}, normed.options());
  return at::cat({normed, low_in_, rest}, 1).narrow(1, 0, normed.size(1));
}

// y of input linear i, whose part of u begins at `column`.
at::Tensor Pass::input_product(size_t i, int64_t column, const at::Tensor& weight,
                               const at::Tensor& normed) const {
  const at::Tensor& bias = half_.inputs[i].linear.bias;
  const std::optional<LowRank>& adapter = adapters_[i];
  if (adapter && room_ > 0 && kernels::room_behind(weight) == room_)
    return Projection{with_low_rank(weight, *adapter, column), bias, matmul_}.forward(
        kernels::with_room(normed), {});
  Low low;
  if (adapter) low = low_product(low_in_.narrow(1, column, adapter->a.size(0)), *adapter);
  return Projection{weight, bias, matmul_}.forward(normed, low);
}

// Fills outputs_, and `weights` with what was multiplied by when the caller will need it again.
void Pass::project(const at::Tensor& normed, std::vector<at::Tensor>* weights) {
  int64_t column = 0;
  for (size_t i = 0; i < half_.inputs.size(); ++i) {
    const at::Tensor weight = dense(half_.inputs[i].linear, room_);
    outputs_.push_back(input_product(i, column, weight, normed));
    if (adapters_[i]) column += adapters_[i]->a.size(0);
    if (weights != nullptr) weights->push_back(weight);
  }
  Parts parts = parts_of(outputs_, *half_.mixer);
  half_.mixer->prepare(parts, rows_);
}

// x + after(mixed·Wᵀ + bias + s·low·Bᵀ)
at::Tensor Pass::add_output(const at::Tensor& mixed) {
  const Linear& linear = half_.output.linear;
  const Projection projection{dense(linear), linear.bias, matmul_};
  Low low;
  if (output_adapter_) {
    low_out_ = kernels::product(mixed, output_adapter_->a.to(type()).t());
    low = low_product(low_out_, *output_adapter_);
  }
  const Norm& after = half_.after;
  if (after.weight.defined()) {
    projected_ = projection.forward(mixed, low);
    return kernels::rms_norm_forward(projected_, after.weight, after.eps, after.form).y.add_(x_);
  }
  // The residual takes the bias's place in the product.
  at::Tensor y = Projection{projection.weight, x_, matmul_}.forward(mixed, low);
  return projection.bias.defined() ? y.add_(projection.bias) : y;
}

at::Tensor Pass::forward(const at::Tensor& x) {
  x_ = x.detach().contiguous();
  at::Tensor normed = normed_input().y;
  if (const at::Tensor a = stacked_a(); a.defined()) low_in_ = kernels::product(normed, a.t());
  normed = beside_low(normed);
  project(normed, nullptr);
  Mixer::Mixed mixed = half_.mixer->mix(parts_of(outputs_, *half_.mixer), rows_);
  mixed_ = std::move(mixed.kept);
  if (recompute_) outputs_.clear();
  return add_output(mixed.out);
}

at::Tensor Pass::output_gradient(const at::Tensor& grad_y) const {
  const Norm& after = half_.after;
  if (!after.weight.defined()) return grad_y;
  const at::Tensor scale =
      kernels::rms_norm_forward(projected_, after.weight, after.eps, after.form).scale;
  return kernels::rms_norm_backward(grad_y, projected_, after.weight, scale, after.form);
}

// dY·W + (s·dY·B)·A; the bracket is `grad_low`.
at::Tensor Pass::mixed_gradient(const at::Tensor& grad_out, at::Tensor& grad_low) const {
  Low low;
  if (output_adapter_) {
    grad_low =
        kernels::product(grad_out, output_adapter_->b.to(type())).mul_(output_adapter_->scale);
    low = kernels::LowProduct{grad_low, output_adapter_->a.to(type())};
  }
  return Projection{dense(half_.output.linear), {}, matmul_}.backward(grad_out, low);
}

// outputs_ become their gradients. Returns what the mixer made of them.
at::Tensor Pass::pull_through_mixer(at::Tensor gradient) {
  const Mixer& mixer = *half_.mixer;
  const Parts parts = parts_of(outputs_, mixer);
  if (mixer.overwrites_parts()) {
    Parts into = parts;
    return mixer.backward(std::move(gradient), parts, mixed_, rows_, into);
  }
  // One linear for all parts wants its gradient in one piece; separate ones take what is made.
  const bool is_joined = outputs_.size() != parts.size();
  std::vector<at::Tensor> made(outputs_.size());
  if (is_joined) made.front() = at::empty_like(outputs_.front());
  Parts into = is_joined ? parts_of(made, mixer) : made;
  const at::Tensor mixed = mixer.backward(std::move(gradient), parts, mixed_, rows_, into);
  outputs_ = is_joined ? std::move(made) : std::move(into);
  return mixed;
}

// [s₁·dY₁·B₁, s₂·dY₂·B₂, …], side by side as low_in_ is.
at::Tensor Pass::low_input_gradient() const {
  std::vector<at::Tensor> columns;
  for (size_t i = 0; i < adapters_.size(); ++i)
    if (adapters_[i])
      columns.push_back(
          kernels::product(outputs_[i], adapters_[i]->b.to(type())).mul_(adapters_[i]->scale));
  if (columns.empty()) return {};
  return columns.size() == 1 ? columns.front() : at::cat(columns, 1);
}

// Σ dYᵢ·Wᵢ + low-rank parts: the gradient of the normed x.
at::Tensor Pass::input_gradient(const at::Tensor& grad_low,
                                std::vector<at::Tensor>& weights) const {
  Low low;
  if (grad_low.defined()) low = kernels::LowProduct{grad_low, stacked_a()};
  at::Tensor sum;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const at::Tensor weight = weights.empty() ? dense(half_.inputs[i].linear, room_)
                                              : std::exchange(weights[i], at::Tensor());
    if (!sum.defined())
      sum = Projection{weight, {}, matmul_}.backward(outputs_[i], low);
    else if (matmul_ == kernels::Matmul::kModel)
      kernels::add_product(sum, outputs_[i], weight);
    else
      sum.add_(kernels::times(outputs_[i], weight, matmul_));
  }
  return sum;
}

// dAᵢ = (s·dYᵢ·Bᵢ)ᵀ·h and dBᵢ = s·dYᵢᵀ·(h·Aᵢᵀ), in the dtype of A and B.
void Pass::add_input_gradients(const at::Tensor& grad_low, const at::Tensor& normed,
                               variable_list& gradients) const {
  if (!grad_low.defined()) return;
  at::Tensor grad_a;  // of all
  int64_t column = 0;
  for (size_t i = 0; i < adapters_.size(); ++i) {
    if (!adapters_[i]) continue;
    const LowRank& adapter = *adapters_[i];
    const int64_t rank = adapter.a.size(0);
    const at::Tensor low = low_in_.narrow(1, column, rank);
    if (!grad_a.defined())
      grad_a = kernels::product_as(adapter.a.scalar_type(), grad_low.t(), normed);
    gradients.push_back(grad_a.narrow(0, column, rank).to(adapter.a.scalar_type()));
    gradients.push_back(gradient_of_b(outputs_[i], low, adapter));
    column += rank;
  }
}

variable_list Pass::backward(const at::Tensor& grad_y, bool with_x) {
  SLMTUNE_ASSERT(x_.defined(), "the backward pass of a fused half runs once");
  const kernels::Normed normed = normed_input();
  std::vector<at::Tensor> weights;
  if (recompute_) project(beside_low(normed.y), with_x ? &weights : nullptr);

  const at::Tensor grad_out = output_gradient(grad_y);
  at::Tensor grad_low_out;
  at::Tensor grad_mixed = mixed_gradient(grad_out, grad_low_out);
  const at::Tensor mixed = pull_through_mixer(std::move(grad_mixed));

  variable_list gradients(1);
  const at::Tensor grad_low_in = low_input_gradient();
  add_input_gradients(grad_low_in, normed.y, gradients);
  if (output_adapter_) {
    gradients.push_back(
        kernels::product_as(output_adapter_->a.scalar_type(), grad_low_out.t(), mixed));
    gradients.push_back(gradient_of_b(grad_out, low_out_, *output_adapter_));
  }
  if (with_x) {
    gradients[0] =
        kernels::rms_norm_backward_on(grad_y, input_gradient(grad_low_in, weights), x_,
                                      half_.before.weight, normed.scale, half_.before.form);
  }
  // The graph of a step stays until its end; what it holds need not.
  for (at::Tensor* tensor : {&x_, &low_in_, &low_out_, &projected_}) tensor->reset();
  outputs_.clear();
  mixed_.clear();
  return gradients;
}

struct FusedHalf : torch::autograd::Function<FusedHalf> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            at::TensorList /*trained*/, const c10::intrusive_ptr<Pass>& pass) {
    context->saved_data["pass"] = c10::IValue::make_capsule(pass);
    return pass->forward(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::NoGradGuard first_derivatives_only;
    const auto holder = context->saved_data["pass"].toCapsule();
    variable_list result = static_cast<Pass&>(*holder).backward(gradients[0].contiguous(),
                                                                context->needs_input_grad(0));
    result.emplace_back();  // of the pass itself
    return result;
  }
};

}  // namespace

bool can_fuse(const Half& half, const at::Tensor& x, const LayerInput& input) {
  if (!input.fused || input.cache != nullptr || !at::GradMode::is_enabled()) return false;
  if (!x.is_cpu() && !x.is_cuda()) return false;
  if (trains(half.before.weight) || trains(half.after.weight)) return false;
  bool records = x.requires_grad();
  const auto plain = [&](const Linear& linear) {
    const auto adapter = active_adapter(linear);
    records = records || (adapter && (trains(adapter->a) || trains(adapter->b)));
    return is_plain(linear);
  };
  for (const NamedLinear& each : half.inputs)
    if (!plain(each.linear)) return false;
  return plain(half.output.linear) && records;
}

at::Tensor fused_forward(const Half& half, const at::Tensor& x, const LayerInput& input) {
  const auto pass = c10::make_intrusive<Pass>(half, input);
  const std::vector<at::Tensor> trained = pass->trained();
  return FusedHalf::apply(x, at::TensorList(trained), pass);
}

}  // namespace slmtune::models
