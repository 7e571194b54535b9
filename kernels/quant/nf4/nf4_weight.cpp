#include "kernels/quant/nf4/nf4_weight.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "kernels/quant/dynamic_map.h"
#include "kernels/quant/nf4/nf4_blocks.h"

namespace slmtune::kernels {
namespace {

// Weights a task takes on at least: less is done before a second thread has started.
constexpr int64_t kWeightsPerTask = 1 << 16;

int64_t pieces(int64_t count, int64_t size) {
  return (count + size - 1) / size;
}

// Runs work(first weight, number of weights) over whole blocks.
template <typename Work>
void for_blocks(int64_t count, int64_t block, const Work& work) {
  at::parallel_for(0, pieces(count, block), std::max<int64_t>(1, kWeightsPerTask / block),
                   [&](int64_t begin, int64_t end) {
                     work(begin * block, std::min(end * block, count) - begin * block);
                   });
}

at::Tensor table(const float* values, int64_t count) {
  return at::from_blob(const_cast<float*>(values), {count}, at::kFloat).clone();
}

void compress_scales(const at::Tensor& absmax, Nf4Tensors& stored) {
  const at::Tensor offset = absmax.mean();
  stored.offset = offset.item<float>();
  const at::Tensor centred = absmax - offset;
  stored.absmax = at::empty({absmax.numel()}, at::kByte);
  stored.nested_absmax = at::empty({pieces(absmax.numel(), stored.nested_block)}, at::kFloat);
  quantise_dynamic(signed_dynamic_map(), centred.const_data_ptr<float>(), absmax.numel(),
                   stored.nested_block, stored.absmax.mutable_data_ptr<uint8_t>(),
                   stored.nested_absmax.mutable_data_ptr<float>());
}

Nf4Tensors quantise(const at::Tensor& dense) {
  const at::Tensor weights = dense.detach().to(at::kFloat).contiguous();
  const int64_t count = weights.numel();
  Nf4Tensors stored;
  stored.packed = at::empty({pieces(count, 2)}, at::kByte);
  const at::Tensor absmax = at::empty({pieces(count, stored.block)}, at::kFloat);
  const float* in = weights.const_data_ptr<float>();
  auto* packed = stored.packed.mutable_data_ptr<uint8_t>();
  auto* scales = absmax.mutable_data_ptr<float>();
  for_blocks(count, stored.block, [&](int64_t first, int64_t size) {
    quantise_nf4(in + first, size, stored.block, packed + first / 2, scales + first / stored.block);
  });
  compress_scales(absmax, stored);
  return stored;
}

}  // namespace

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
}

std::map<std::string, at::Tensor> Nf4Weight::state() const {
  std::map<std::string, at::Tensor> tensors = {
      {"weight", stored_.packed},
      {"weight.absmax", stored_.absmax},
      {"weight.quant_map", table(nf4_values().data(), 16)}};
  if (!stored_.nested_absmax.defined()) return tensors;
  tensors["weight.nested_absmax"] = stored_.nested_absmax;
  tensors["weight.nested_quant_map"] = table(signed_dynamic_map().data(), 256);
  tensors["weight.nested_offset"] = at::full({1}, stored_.offset, at::kFloat);
  return tensors;
}

void Nf4Weight::write_dense(at::Tensor& target) const {
  const auto* packed = stored_.packed.const_data_ptr<uint8_t>();
  const int64_t block = stored_.block;
  for_blocks(target.numel(), block, [&](int64_t first, int64_t size) {
    const int64_t blocks = pieces(size, block);
    std::vector<float> scales(static_cast<size_t>(blocks));
    read_scales(first / block, scales);
    if (target.scalar_type() == at::kFloat)
      dequantise_nf4(packed + first / 2, scales.data(), size, block,
                     target.mutable_data_ptr<float>() + first);
    else
      dequantise_nf4(packed + first / 2, scales.data(), size, block,
                     static_cast<uint16_t*>(target.mutable_data_ptr()) + first);
  });
}

// Scales of the blocks from `first` on: map[code] · nested_absmax + offset, or as they are stored.
void Nf4Weight::read_scales(int64_t first, std::vector<float>& scales) const {
  if (!stored_.nested_absmax.defined()) {
    const float* stored = stored_.absmax.const_data_ptr<float>() + first;
    std::copy_n(stored, scales.size(), scales.begin());
    return;
  }
  const auto* codes = stored_.absmax.const_data_ptr<uint8_t>();
  const float* nested = stored_.nested_absmax.const_data_ptr<float>();
  const DynamicMap& map = signed_dynamic_map();
  for (size_t i = 0; i < scales.size(); ++i) {
    const int64_t block = first + static_cast<int64_t>(i);
    scales[i] = map[codes[block]] * nested[block / stored_.nested_block] + stored_.offset;
  }
}

}  // namespace slmtune::kernels
