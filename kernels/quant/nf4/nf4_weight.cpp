#include "kernels/quant/nf4/nf4_weight.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/parallel.h"
#include "kernels/quant/dynamic_map.h"
#include "kernels/quant/nf4/nf4_blocks.h"
#include "kernels/quant/nf4/nf4_device.h"
#include "kernels/quant/widened.h"

namespace slmtune::kernels {
namespace {

// Weights that are worked on at once, a whole number of blocks of any size: what they need besides
// lies on the stack and in the nearest cache.
constexpr int64_t kRun = 4096, kSmallestBlock = 32;
// Runs, and blocks of scales, that a thread takes on at least: fewer are done before a second
// thread has started.
constexpr int64_t kRunsPerTask = 16, kScaleBlocksPerTask = 32;

int64_t pieces(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

// Calls work(first weight, number of weights) for each run, on all threads.
template <typename Work>
void for_runs(int64_t count, const Work& work) {
  parallel_for(0, pieces(count, kRun), kRunsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run)
      work(run * kRun, std::min(kRun, count - run * kRun));
  });
}

at::Tensor table(const float* values, int64_t count) {
  return at::from_blob(const_cast<float*>(values), {count}, at::kFloat).clone();
}

void compress_scales(const at::Tensor& absmax, Nf4Tensors& stored) {
  const at::Tensor offset = absmax.mean();
  stored.offset = offset.item<float>();
  const at::Tensor centred = absmax - offset;
  const int64_t count = absmax.numel(), block = stored.nested_block;
  stored.absmax = at::empty({count}, at::kByte);
  stored.nested_absmax = at::empty({pieces(count, block)}, at::kFloat);
  const float* in = centred.const_data_ptr<float>();
  auto* codes = stored.absmax.mutable_data_ptr<uint8_t>();
  auto* scales = stored.nested_absmax.mutable_data_ptr<float>();
  parallel_for(0, pieces(count, block), kScaleBlocksPerTask, [&](int64_t begin, int64_t end) {
    quantise_dynamic(signed_dynamic_map(), in + begin * block,
                     std::min(end * block, count) - begin * block, block, codes + begin * block,
                     scales + begin);
  });
}

Nf4Tensors quantise(const at::Tensor& dense) {
  const at::Tensor weights = dense.detach().contiguous();
  if (weights.is_cuda())
    return quantise_nf4_on_device(opened_cuda_module().nf4, weights,
                                  cuda_stream(weights.device().index()));
  const int64_t count = weights.numel();
  Nf4Tensors stored;
  stored.packed = at::empty({pieces(count, 2)}, at::kByte);
  const at::Tensor absmax = at::empty({pieces(count, stored.block)}, at::kFloat);
  auto* packed = stored.packed.mutable_data_ptr<uint8_t>();
  auto* scales = absmax.mutable_data_ptr<float>();
  for_runs(count, [&](int64_t first, int64_t size) {
    std::array<float, kRun> buffer;
    const float* values = widened(weights, first, size, buffer.data());
    quantise_nf4(values, size, stored.block, packed + first / 2, scales + first / stored.block);
  });
  compress_scales(absmax, stored);
  stored.nested_map = nf4_nested_map(at::kCPU);
  return stored;
}

}  // namespace

at::Tensor nf4_nested_map(at::Device device) {
  return table(signed_dynamic_map().data(), 256).to(device);
}

Nf4Weight::Nf4Weight(const at::Tensor& dense)
    : QuantisedWeight(dense.size(0), dense.size(1)), stored_(quantise(dense)) {}

Nf4Weight::Nf4Weight(int64_t out, int64_t in, Nf4Tensors stored)
    : QuantisedWeight(out, in), stored_(std::move(stored)) {
  const int64_t count = out * in, blocks = pieces(count, stored_.block);
  const bool nested = stored_.nested_absmax.defined();
  const bool fits =
      stored_.packed.numel() == pieces(count, 2) && stored_.absmax.numel() == blocks &&
      (!nested || stored_.nested_absmax.numel() == pieces(blocks, stored_.nested_block));
  if (!fits)
    throw FileFormatError("F057", "",
                          "the stored tensors of a 4-bit weight do not fit its shape [" +
                              std::to_string(out) + ", " + std::to_string(in) + "]",
                          "fetch the model again, or take its 16-bit folder");
  if (nested) stored_.nested_map = nf4_nested_map(stored_.packed.device());
}

std::map<std::string, at::Tensor> Nf4Weight::state() const {
  std::map<std::string, at::Tensor> tensors = {
      {"weight", stored_.packed},
      {"weight.absmax", stored_.absmax},
      {"weight.quant_map", table(nf4_values().data(), 16).to(device())}};
  if (!stored_.nested_absmax.defined()) return tensors;
  tensors["weight.nested_absmax"] = stored_.nested_absmax;
  tensors["weight.nested_quant_map"] = stored_.nested_map;
  tensors["weight.nested_offset"] = at::full({1}, stored_.offset, stored_.nested_absmax.options());
  return tensors;
}

void Nf4Weight::to(at::Device device) {
  for (at::Tensor* tensor :
       {&stored_.packed, &stored_.absmax, &stored_.nested_absmax, &stored_.nested_map})
    if (tensor->defined()) *tensor = tensor->to(device);
}

void Nf4Weight::write_dense(at::Tensor& target) const {
  if (target.is_cuda())
    return dequantise_nf4_on_device(opened_cuda_module().nf4, stored_, target,
                                    cuda_stream(target.device().index()));
  const auto* packed = stored_.packed.const_data_ptr<uint8_t>();
  const bool wide = target.scalar_type() == at::kFloat;
  for_runs(target.numel(), [&](int64_t first, int64_t size) {
    std::array<float, kRun / kSmallestBlock> scales;
    read_scales(first, size, scales.data());
    if (wide)
      dequantise_nf4(packed + first / 2, scales.data(), size, stored_.block,
                     target.mutable_data_ptr<float>() + first);
    else
      dequantise_nf4(packed + first / 2, scales.data(), size, stored_.block,
                     static_cast<uint16_t*>(target.mutable_data_ptr()) + first);
  });
}

// Scales of the blocks of `size` weights from `first` on: map[code] · nested_absmax + offset, or as
// they are stored.
void Nf4Weight::read_scales(int64_t first, int64_t size, float* scales) const {
  const int64_t begin = first / stored_.block, count = pieces(size, stored_.block);
  if (!stored_.nested_absmax.defined()) {
    std::copy_n(stored_.absmax.const_data_ptr<float>() + begin, count, scales);
    return;
  }
  const auto* codes = stored_.absmax.const_data_ptr<uint8_t>() + begin;
  const float* nested = stored_.nested_absmax.const_data_ptr<float>();
  const DynamicMap& map = signed_dynamic_map();
  for (int64_t i = 0; i < count; ++i)
    scales[i] = map[codes[i]] * nested[(begin + i) / stored_.nested_block] + stored_.offset;
}

}  // namespace slmtune::kernels
