// Takes optimiser steps with given gradients, for comparison with other programs:
//
//   optimizer_tool IN.safetensors OUT.safetensors '{"optimizer": "adamw8bit", "learning_rate":
//   1e-3,
//       "weight_decay": 0.01, "plus_ratio": 1, "steps": 20}'
//
// IN holds parameters as "p.<name>" and their gradients as "g.<step>.<name>"; a tensor without one
// gets no gradient in that step. OUT gets "p.<name>" and the optimiser's state by its names.
#include <ATen/ATen.h>

#include <cstdint>
#include <exception>
#include <iostream>

#include "core/json.h"
#include "core/safetensors.h"
#include "models/causal_lm.h"
#include "train/optimizer.h"

namespace {

using namespace slmtune;

train::NamedParameters read_parameters(const SafetensorsFile& file) {
  train::NamedParameters parameters;
  for (const auto& [name, view] : file.tensors())
    if (name.starts_with("p."))
      parameters.emplace_back(name.substr(2),
                              models::borrow_tensor(view).clone().requires_grad_(true));
  return parameters;
}

TensorSource source_of(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().contiguous();
  const DType dtype = values.scalar_type() == at::kByte ? DType::kU8 : DType::kF32;
  return {name, dtype, values.sizes().vec(),
          [values](const std::function<void(std::span<const std::byte>)>& write) {
            write({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
          }};
}

void run(char** arguments) {
  const SafetensorsFile file = SafetensorsFile::open(arguments[1]);
  const Json settings = Json::parse(arguments[3]);
  train::TrainConfig config;
  config.optimizer = settings.at("optimizer");
  config.weight_decay = settings.at("weight_decay");
  config.plus_ratio = settings.at("plus_ratio");
  const train::NamedParameters parameters = read_parameters(file);
  const auto optimizer = train::make_optimizer(parameters, config);
  for (int64_t step = 1; step <= settings.at("steps").get<int64_t>(); ++step) {
    for (const auto& [name, tensor] : parameters) {
      const auto found = file.tensors().find("g." + std::to_string(step) + "." + name);
      if (found != file.tensors().end())
        tensor.mutable_grad() = models::borrow_tensor(found->second).clone();
    }
    optimizer->step(settings.at("learning_rate"), 1.0, /*clip_norm=*/0.0);
    optimizer->zero_grad();
  }
  std::vector<TensorSource> out;
  for (const auto& [name, tensor] : parameters) out.push_back(source_of("p." + name, tensor));
  for (const auto& [name, tensor] : optimizer->state()) out.push_back(source_of(name, tensor));
  write_safetensors(arguments[2], out);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: optimizer_tool IN OUT SETTINGS\n";
    return 64;
  }
  try {
    run(arguments);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 70;
  }
}
