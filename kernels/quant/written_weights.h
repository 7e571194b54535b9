// Where the layers get their frozen weights from as dense matrices, in the order in which they use
// them. On a GPU a weight of fewer bits is written out on a second stream while the product with
// the one before it runs: writing is bound by memory, the product by arithmetic (reference:
// docs/gpu.md). Two dense matrices exist at a time, and more only while a Kept lives.
//
//   written.begin();                                   // a micro-batch
//   at::Tensor w = written.of(*linear.weight, type);   // [out, in]; starts the next one
//
// A matrix may be asked for with room behind its rows, where the caller writes what he multiplies
// together with it (models/blocks/fused_half.h): room_behind(w) tells whether it is there.
//
// One thread at a time; the backward pass may be another one than the forward pass.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <unordered_map>

#include "kernels/quant/frozen_weight.h"
#include "kernels/quant/quantised_weight.h"
#include "kernels/quant/use_order.h"
#include "kernels/side_stream.h"

namespace slmtune::kernels {

class WrittenWeights {
 public:
  explicit WrittenWeights(at::Device device) : WrittenWeights(device, !device.is_cpu()) {}
  // `ahead`: whether weights are written before they are asked for; on the CPU this gains nothing.
  WrittenWeights(at::Device device, bool ahead);

  void begin();

  // weight.dense(type), whose bits do not depend on when it was written. `room`: columns behind the
  // rows of a weight that is written out, of undefined contents; the same at every use of a weight.
  at::Tensor of(const FrozenWeight& weight, at::ScalarType type, int64_t room = 0);

  // The current stream waits for what was written in vain: nothing of the side stream is left open.
  void settle();

  // As long as this lives every matrix that was written out stays, and is handed out again: between
  // recomputing a layer and its backward pass, and over the tiles of an MLP.
  class Kept {
   public:
    explicit Kept(WrittenWeights* weights);  // null: nothing is kept
    ~Kept();
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;

   private:
    WrittenWeights* weights_;
  };

  int64_t written() const { return written_; }  // matrices so far
  int64_t in_vain() const { return in_vain_; }  // of these never asked for

 private:
  // The matrix that is written ahead.
  struct Ahead {
    const QuantisedWeight* weight = nullptr;
    at::Tensor dense;
    SideStream::Arrival arrival;
  };

  at::Tensor place_for(const QuantisedWeight& weight, at::ScalarType type) const;
  at::Tensor write(const QuantisedWeight& weight, at::ScalarType type);
  at::Tensor take(const QuantisedWeight& weight, at::ScalarType type);
  void start(const QuantisedWeight& weight, at::ScalarType type);

  at::Device device_;
  bool is_ahead_;
  SideStream side_;
  UseOrder order_;
  Ahead ahead_;
  int64_t keeping_ = 0, written_ = 0, in_vain_ = 0;
  std::unordered_map<const FrozenWeight*, at::Tensor> kept_;
  std::unordered_map<const FrozenWeight*, int64_t> rooms_;  // where it is not 0
};

// Columns behind the rows of `matrix` [out, in] that belong to it.
int64_t room_behind(const at::Tensor& matrix);
// matrix with its room: [out, in + room].
at::Tensor with_room(const at::Tensor& matrix);

}  // namespace slmtune::kernels
