#include "collective/join.h"

#include "collective/mpi_collective.h"
#include "collective/nccl_collective.h"

namespace slmtune::collective {

std::unique_ptr<Collective> join(const Launch& launch, bool on_gpu) {
  if (on_gpu) return std::make_unique<NcclCollective>(launch, 0);
  if (launch.launcher == Launcher::kMpi)
    return std::make_unique<MpiCollective>(launch, open_mpi_module());
  return std::make_unique<StoreCollective>(launch);
}

}  // namespace slmtune::collective
