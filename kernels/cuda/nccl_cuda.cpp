#include "kernels/cuda/nccl_cuda.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstring>

namespace slmtune::kernels {
namespace {

static_assert(sizeof(CudaRanksId) == sizeof(ncclUniqueId));

int result(ncclResult_t error) {
  if (error == ncclSuccess) return 0;
  return error == ncclInProgress ? CudaNccl::kUnderWay : -static_cast<int>(error);
}

ncclComm_t team_of(void* team) {
  return static_cast<ncclComm_t>(team);
}

int make_id(CudaRanksId* id) {
  ncclUniqueId made;
  const ncclResult_t error = ncclGetUniqueId(&made);
  std::memcpy(id->bytes, made.internal, sizeof(made.internal));
  return result(error);
}

// Not blocking, so that a rank that never comes can be given up.
int join(const CudaRanksId* id, int rank, int size, void** team) {
  ncclUniqueId shared;
  std::memcpy(shared.internal, id->bytes, sizeof(shared.internal));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t joined = nullptr;
  const ncclResult_t error = ncclCommInitRankConfig(&joined, size, shared, rank, &config);
  *team = joined;
  return result(error);
}

int state(void* team) {
  ncclResult_t found = ncclSuccess;
  const ncclResult_t error = ncclCommGetAsyncError(team_of(team), &found);
  return result(error == ncclSuccess ? found : error);
}

int sum(void* team, float* values, int64_t count, CudaStream stream) {
  return result(ncclAllReduce(values, values, static_cast<size_t>(count), ncclFloat32, ncclSum,
                              team_of(team), stream));
}

int wait(CudaStream stream) {
  return cudaStreamSynchronize(stream);
}

int abort(void* team) {
  return result(ncclCommAbort(team_of(team)));
}

int finish(void* team) {
  return result(ncclCommFinalize(team_of(team)));
}

int destroy(void* team) {
  return result(ncclCommDestroy(team_of(team)));
}

const char* error_text(int error) {
  return ncclGetErrorString(static_cast<ncclResult_t>(-error));
}

}  // namespace

const CudaNccl& cuda_nccl() {
  static const CudaNccl table = {make_id, join,   state,   sum,       wait,
                                 abort,   finish, destroy, error_text};
  return table;
}

}  // namespace slmtune::kernels
