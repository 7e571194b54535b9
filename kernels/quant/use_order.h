// In which order a round uses things, learnt from the round before: the micro-batches of a run go
// through the weights of a model in the same order each time, forward and backward. A wrong guess
// costs what was prepared in vain, and is forgotten.
#pragma once
#include <cstddef>
#include <vector>

namespace slmtune::kernels {

class UseOrder {
 public:
  // The next use is the first one of a round.
  void begin() { next_ = 0; }

  // Notes that `what` is used now. What followed it in the last round that came this way; null
  // where that is not known.
  const void* use(const void* what) {
    if (next_ < order_.size() && order_[next_] != what) order_.resize(next_);
    if (next_ == order_.size()) order_.push_back(what);
    ++next_;
    return next_ < order_.size() ? order_[next_] : nullptr;
  }

 private:
  std::vector<const void*> order_;
  size_t next_ = 0;
};

}  // namespace slmtune::kernels
