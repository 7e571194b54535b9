#include "collective/nccl_collective.h"

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "kernels/cuda/cuda_module.h"

namespace slmtune::collective {
namespace {

constexpr double kLeaveSeconds = 10.0;

const kernels::CudaNccl& nccl_of_module() {
  const kernels::CudaNccl& nccl = kernels::opened_cuda_module().nccl;
  if (!nccl.join)
    throw UnavailableError("P004", "NCCL", "this build of the CUDA module has no NCCL",
                           "build it with a LibTorch whose package nvidia-nccl is installed");
  return nccl;
}

}  // namespace

NcclCollective::NcclCollective(const Launch& launch, int device)
    : StoreCollective(launch), nccl_(nccl_of_module()), device_(device) {
  std::vector<std::byte> shared(sizeof(kernels::CudaRanksId));
  kernels::CudaRanksId id{};
  if (leads()) {
    check(nccl_.make_id(&id), "making the ranks' id");
    std::memcpy(shared.data(), &id, sizeof(id));
  }
  broadcast(shared);
  std::memcpy(&id, shared.data(), sizeof(id));
  try {
    join(id);
  } catch (...) {
    on_loss();  // a constructor that throws has no destructor
    throw;
  }
}

void NcclCollective::join(const kernels::CudaRanksId& id) {
  kernels::cuda_stream(device_);  // makes the GPU this thread's
  void* team = nullptr;
  const int result = nccl_.join(&id, rank(), size(), &team);
  {
    const std::lock_guard lock(ending_);
    team_ = team;
  }
  check(result, "joining the ranks");
  wait_until_ready();
}

NcclCollective::~NcclCollective() {
  stop_watching();
  if (team_) nccl_.abort(team_);
}

void NcclCollective::check(int result, const char* call) const {
  if (result >= 0) return;
  watch().check();  // the likelier reason
  throw UnavailableError("P004", "NCCL", std::string(call) + " failed: " + nccl_.error_text(result),
                         "run again with NCCL_DEBUG=INFO for the reason");
}

// 0, kUnderWay or an error; kUnderWay where there is no team any more, whose loss is known then.
int NcclCollective::state() {
  const std::lock_guard lock(ending_);
  return team_ ? nccl_.state(team_) : kernels::CudaNccl::kUnderWay;
}

void NcclCollective::wait_until_ready() {
  const double until = now_seconds() + launch().patience;
  while (true) {
    watch().check();
    const int now = state();
    check(now, "NCCL");
    if (now == 0) return;
    if (now_seconds() > until)
      throw UnavailableError("P003", "NCCL",
                             "the GPUs did not join within " + human_seconds(launch().patience),
                             "run again with NCCL_DEBUG=INFO; the network between the machines may "
                             "not let NCCL through");
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void NcclCollective::sum(float* values, int64_t count) {
  watch().check();
  const kernels::CudaStream stream = kernels::cuda_stream(device_);
  int result = kernels::CudaNccl::kUnderWay;
  {
    const std::lock_guard lock(ending_);
    if (team_) result = nccl_.sum(team_, values, count, stream);
  }
  check(result, "adding up the gradients");
  wait_until_ready();
}

void NcclCollective::settle() {
  const int result = nccl_.wait(kernels::cuda_stream(device_));
  watch().check();  // the likelier reason
  kernels::check_cuda(result, "waiting for the GPU");
}

void NcclCollective::on_loss() {
  const std::lock_guard lock(ending_);
  if (team_) nccl_.abort(std::exchange(team_, nullptr));
}

void NcclCollective::leave() {
  settle();
  StoreCollective::leave();  // nobody watches any more
  check(nccl_.finish(team_), "leaving the ranks");
  const double until = now_seconds() + kLeaveSeconds;
  int now = state();
  for (; now == kernels::CudaNccl::kUnderWay && now_seconds() < until; now = state())
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  // One that ended in the meantime is not waited for: all that counts has been added up.
  if (now == 0) nccl_.destroy(std::exchange(team_, nullptr));
}

}  // namespace slmtune::collective
