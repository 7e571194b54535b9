// Our side of the comparison with bitsandbytes: quantises every matrix of a safetensors file.
//
//   quant_tool IN.safetensors OUT.safetensors
//
// Out, for each matrix NAME: nf4.NAME.<tensor of Nf4Weight::state()>, nf4.NAME.dense (float32),
// nf4.NAME.dense16 (bfloat16), the same for int8.
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/safetensors.h"
#include "kernels/quant/frozen_weight.h"
#include "models/causal_lm.h"

namespace {

using namespace slmtune;

DType stored_dtype(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kByte:
      return DType::kU8;
    case at::kChar:
      return DType::kI8;
    case at::kBFloat16:
      return DType::kBF16;
    default:
      return DType::kF32;
  }
}

void add(std::vector<TensorSource>& sources, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  sources.push_back(
      {name, stored_dtype(values), values.sizes().vec(), [values](const auto& write) {
         write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
       }});
}

int run(const char* in, const char* out) {
  const SafetensorsFile file = SafetensorsFile::open(in);
  std::vector<TensorSource> sources;
  for (const auto& [name, view] : file.tensors())
    for (const char* format : {"nf4", "int8"}) {
      const auto weight = kernels::quant_format(format)(models::borrow_tensor(view));
      const std::string prefix = std::string(format) + "." + name + ".";
      for (const auto& [part, tensor] : weight->state()) add(sources, prefix + part, tensor);
      add(sources, prefix + "dense", weight->dense(at::kFloat));
      add(sources, prefix + "dense16", weight->dense(at::kBFloat16));
    }
  write_safetensors(out, sources);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: quant_tool IN.safetensors OUT.safetensors\n");
    return 64;
  }
  try {
    return run(words[1], words[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 70;
  }
}
