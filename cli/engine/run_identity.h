// The fields that a run must have in common with its checkpoint to go on with it
// (train/identity.h).
//
// Of the recipe's sections every key is one, also a key that is added later, except those that only
// say when to save or stop and what to do with the finished model. Names and paths are none: the
// same rows and weights may have moved.
#pragma once
#include <map>
#include <string>

#include "cli/engine/train_inputs.h"
#include "kernels/device.h"
#include "train/identity.h"

namespace slmtune::cli {

// `hashes`: of identity_of() — base, dataset, tokenizer, template and adapter.
train::Identity run_identity(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                             const kernels::DeviceChoice& device,
                             const std::map<std::string, std::string>& hashes);

// Fields that decide which tensors train and what they mean: with another value of one of them the
// weights of a checkpoint are of no use.
bool shapes_weights(const std::string& field);

}  // namespace slmtune::cli
