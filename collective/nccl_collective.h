// Several GPUs: gradients are added up by NCCL, everything else goes through the key store, as in
// StoreCollective. A kernel that waits for a lost rank would wait for ever, so the watching thread
// ends it; what it has summed by then is undefined, and the next call throws.
#pragma once
#include <mutex>

#include "collective/store_collective.h"
#include "kernels/cuda/nccl_cuda.h"

namespace slmtune::collective {

class NcclCollective final : public StoreCollective {
 public:
  // GPU number `device` of this process, whose CUDA module is open. P004 when it has no NCCL, or
  // NCCL fails.
  NcclCollective(const Launch& launch, int device);
  ~NcclCollective() override;

  using StoreCollective::sum;
  void sum(float* values, int64_t count) override;
  void settle() override;
  void leave() override;

 private:
  void on_loss() override;
  void join(const kernels::CudaRanksId& id);
  int state();
  void check(int result, const char* call) const;
  void wait_until_ready();

  const kernels::CudaNccl& nccl_;
  const int device_;
  std::mutex ending_;     // whoever uses the team: the watching thread may end it at any time
  void* team_ = nullptr;  // null before joining and after the end
};

}  // namespace slmtune::collective
