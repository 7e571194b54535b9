#include "kernels/gated_activation/gated_activation.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"
#include "kernels/gated_activation/gated_activation_rows.h"
#include "kernels/loops.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
namespace {

void check_pair(const at::Tensor& a, const at::Tensor& b) {
  SLMTUNE_ASSERT(a.dim() == 2 && a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type(),
                 "gate, up and hidden have one shape and dtype");
  SLMTUNE_ASSERT(a.stride(1) == 1 || a.size(1) <= 1, "columns lie side by side");
}

GatedRows shape_of(const at::Tensor& hidden, const at::Tensor& gate, const at::Tensor& up) {
  return {gate.size(0), gate.size(1), hidden.stride(0), gate.stride(0), up.stride(0)};
}

// Calls body(first row, shape of the part) over all threads.
template <typename Body>
void over_rows(const GatedRows& shape, const Body& body) {
  const int64_t grain =
      std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, shape.columns));
  parallel_for(0, shape.rows, grain, [&](int64_t begin, int64_t end) {
    GatedRows part = shape;
    part.rows = end - begin;
    body(begin, part);
  });
}

template <typename Number>
void forward_rows(at::Tensor& out, const at::Tensor& gate, const at::Tensor& up,
                  Activation activation) {
  const auto* g = static_cast<const Number*>(gate.const_data_ptr());
  const auto* u = static_cast<const Number*>(up.const_data_ptr());
  auto* h = static_cast<Number*>(out.mutable_data_ptr());
  over_rows(shape_of(out, gate, up), [&](int64_t row, const GatedRows& part) {
    const Number *g_row = g + row * part.gate_stride, *u_row = u + row * part.up_stride;
    Number* h_row = h + row * part.hidden_stride;
    if (activation == Activation::kSilu)
      silu_gated_rows(g_row, u_row, h_row, part);
    else
      gelu_gated_rows(g_row, u_row, h_row, part);
  });
}

template <typename Number>
void backward_rows(at::Tensor& hidden, at::Tensor& gate, at::Tensor& up, Activation activation) {
  auto* g = static_cast<Number*>(gate.mutable_data_ptr());
  auto* u = static_cast<Number*>(up.mutable_data_ptr());
  auto* h = static_cast<Number*>(hidden.mutable_data_ptr());
  over_rows(shape_of(hidden, gate, up), [&](int64_t row, const GatedRows& part) {
    Number *g_row = g + row * part.gate_stride, *u_row = u + row * part.up_stride;
    Number* h_row = h + row * part.hidden_stride;
    if (activation == Activation::kSilu)
      silu_gated_rows_backward(g_row, u_row, h_row, part);
    else
      gelu_gated_rows_backward(g_row, u_row, h_row, part);
  });
}

CudaActivation cuda_activation(Activation activation) {
  return activation == Activation::kSilu ? CudaActivation::kSilu : CudaActivation::kGeluTanh;
}

CudaGated cuda_shape(const at::Tensor& hidden, const at::Tensor& gate, const at::Tensor& up) {
  return {cuda_rows(gate), hidden.stride(0), gate.stride(0), up.stride(0)};
}

void forward_cuda(at::Tensor& out, const at::Tensor& gate, const at::Tensor& up,
                  Activation activation) {
  check_cuda(opened_cuda_module().gated_activation.forward(
                 cuda_shape(out, gate, up), cuda_activation(activation), gate.const_data_ptr(),
                 up.const_data_ptr(), out.mutable_data_ptr(), cuda_stream(gate.device().index())),
             "gated_activation");
}

void backward_cuda(at::Tensor& hidden, at::Tensor& gate, at::Tensor& up, Activation activation) {
  check_cuda(
      opened_cuda_module().gated_activation.backward(
          cuda_shape(hidden, gate, up), cuda_activation(activation), gate.mutable_data_ptr(),
          up.mutable_data_ptr(), hidden.mutable_data_ptr(), cuda_stream(gate.device().index())),
      "gated_activation_backward");
}

// The definition in LibTorch's own operators: the reference of the loops, and the path of the other
// dtypes and devices.
at::Tensor active(const at::Tensor& gate, Activation activation) {
  return activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh");
}

void composed_backward(at::Tensor& hidden, at::Tensor& gate, at::Tensor& up,
                       Activation activation) {
  const at::Tensor shared = active(gate, activation);
  const at::Tensor incoming = hidden * up;
  const at::Tensor grad_gate = activation == Activation::kSilu
                                   ? at::silu_backward(incoming, gate)
                                   : at::gelu_backward(incoming, gate, "tanh");
  const at::Tensor grad_up = hidden * shared;
  hidden.copy_(shared * up);
  gate.copy_(grad_gate);
  up.copy_(grad_up);
}

}  // namespace

at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  at::Tensor out = at::empty(gate.sizes(), gate.options());
  gated_activation_into(out, gate, up, activation);
  return out;
}

void gated_activation_into(at::Tensor& out, const at::Tensor& gate, const at::Tensor& up,
                           Activation activation) {
  check_pair(gate, up);
  check_pair(out, gate);
  if (has_cuda_kernels(gate) && gate.numel() > 0)
    forward_cuda(out, gate, up, activation);
  else if (!has_loops(gate))
    out.copy_(active(gate, activation).mul_(up));
  else if (gate.scalar_type() == at::kFloat)
    forward_rows<float>(out, gate, up, activation);
  else
    forward_rows<BFloat16Bits>(out, gate, up, activation);
}

void gated_activation_backward(at::Tensor& grad_h, at::Tensor& gate, at::Tensor& up,
                               Activation activation) {
  check_pair(gate, up);
  check_pair(grad_h, gate);
  if (has_cuda_kernels(gate) && gate.numel() > 0)
    backward_cuda(grad_h, gate, up, activation);
  else if (!has_loops(gate))
    composed_backward(grad_h, gate, up, activation);
  else if (gate.scalar_type() == at::kFloat)
    backward_rows<float>(grad_h, gate, up, activation);
  else
    backward_rows<BFloat16Bits>(grad_h, gate, up, activation);
}

}  // namespace slmtune::kernels
