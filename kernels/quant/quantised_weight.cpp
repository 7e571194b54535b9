#include "kernels/quant/quantised_weight.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <map>
#include <mutex>
#include <utility>

#include "kernels/cuda/cuda_module.h"
#include "kernels/matmul/product.h"

namespace slmtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Other types are converted from float32.
at::ScalarType written_type(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

// Fresh memory for each layer would be cleared by the system each time, and on a GPU would move
// about. Forward and backward passes run in threads of their own there, on one stream.
at::Tensor& buffer_of(at::Device device) {
  thread_local at::Tensor of_thread;
  if (!device.is_cuda()) return of_thread;
  static std::mutex changing;
  // Never destroyed: by the end of the process the GPU's library may be gone before it.
  static auto& of_streams = *new std::map<std::pair<int, CudaStream>, at::Tensor>;
  const CudaStream stream = cuda_stream(device.index());
  const std::lock_guard lock(changing);
  return of_streams[{device.index(), stream}];
}

struct Product : torch::autograd::Function<Product> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const QuantisedWeight* weight) {
    context->saved_data["weight"] = reinterpret_cast<int64_t>(weight);
    return product(x, weight->written_out(x.scalar_type()).t());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto* weight =
        reinterpret_cast<const QuantisedWeight*>(context->saved_data["weight"].toInt());
    const at::Tensor& grad_y = gradients[0];
    return {product(grad_y, weight->written_out(grad_y.scalar_type())), {}};
  }
};

}  // namespace

at::Tensor QuantisedWeight::matmul(const at::Tensor& x) const {
  return Product::apply(x, this);
}

at::Tensor QuantisedWeight::dense(at::ScalarType dtype) const {
  at::Tensor target =
      at::empty({out_, in_}, at::TensorOptions().dtype(written_type(dtype)).device(device()));
  write_dense(target);
  return target.to(dtype);
}

at::Tensor QuantisedWeight::written_out(at::ScalarType dtype) const {
  at::Tensor& buffer = buffer_of(device());
  const at::ScalarType written = written_type(dtype);
  if (!buffer.defined() || buffer.scalar_type() != written || buffer.numel() < out_ * in_) {
    buffer.reset();
    buffer = at::empty({out_ * in_}, at::TensorOptions().dtype(written).device(device()));
  }
  at::Tensor target = buffer.narrow(0, 0, out_ * in_).view({out_, in_});
  write_dense(target);
  return target.to(dtype);
}

void QuantisedWeight::write_into(at::Tensor& target) const {
  if (target.is_cuda() || target.is_contiguous()) return write_dense(target);
  at::Tensor whole = at::empty(target.sizes(), target.options());
  write_dense(whole);
  target.copy_(whole);
}

uint64_t QuantisedWeight::bytes() const {
  uint64_t total = 0;
  for (const auto& [name, tensor] : state())
    total += static_cast<uint64_t>(tensor.numel()) * static_cast<uint64_t>(tensor.element_size());
  return total;
}

}  // namespace slmtune::kernels
