// The tensors that train, moved into one buffer, and their gradients into another: a tensor keeps
// its name and handle and becomes a view, so that an optimiser step is one pass over memory.
//
//   FlatParameters flat(models::trainable_tensors(model), rate_of);
//   loss.backward();                                   // adds to flat.gradients()
//   for (size_t index : flat.take_gradients()) ...     // tensors that got a gradient
//   flat.zero_gradients();
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "collective/collective.h"

namespace slmtune::train {

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

class FlatParameters {
 public:
  struct Slot {
    std::string name = {};
    at::Tensor tensor = {};        // a view of values()
    double rate = 1.0;             // factor of the learning rate
    int64_t first = 0, count = 0;  // values in the buffers
    size_t place = 0;              // among the slots, in the order of the buffers
    at::Tensor gradient = {};      // a view of gradients()
    int64_t version = 0;           // of `gradient` when it was cleared
  };

  // Moves the given tensors, all of one dtype and device, into the buffer; those of one rate stand
  // together. `rates`: one per tensor.
  FlatParameters(const NamedParameters& parameters, const std::vector<double>& rates);
  ~FlatParameters();  // the tensors lose their gradients, and keep their values
  FlatParameters(const FlatParameters&) = delete;
  FlatParameters& operator=(const FlatParameters&) = delete;

  const std::vector<Slot>& slots() const { return slots_; }  // in the order given
  // [N], with zeros between tensors so that each begins at a cache line.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }

  // Indices of the slots that got a gradient since the last zero_gradients(), by place. A gradient
  // that was set from outside is copied into the buffer.
  std::vector<size_t> take_gradients();
  void zero_gradients();
  // Adds up the gradients of all ranks, in place. A slot that got one on any rank counts as one
  // that got it here.
  void sum_gradients(collective::Collective& ranks);

 private:
  void point_gradient(Slot& slot);

  std::vector<Slot> slots_;
  std::vector<size_t> by_place_;
  at::Tensor values_, gradients_;
};

}  // namespace slmtune::train
