// P: several processes that train together
#include "core/internal/error_tables.h"

namespace slmtune {
namespace {

using enum ExitCode;

constexpr ErrorRow kRows[] = {
    {"P001", kUsage, "launcher's variables cannot be used",
     "Environment variables such as RANK and WORLD_SIZE say that several processes train together, "
     "but one that belongs to them is missing, is no number or does not fit the others. torchrun, "
     "mpirun and srun set all of them; by hand each process needs RANK, WORLD_SIZE, LOCAL_RANK, "
     "MASTER_ADDR and MASTER_PORT. To train in one process, unset them."},
    {"P002", kUsage, "ranks do not fit together",
     "The processes of a run must be given the same number of processes, recipe, rows and base "
     "model, and each a rank of its own. The message names the rank and what differs. Start all of "
     "them with the same command, from copies of the same files."},
    {"P003", kTryLater, "another rank ended",
     "Processes that train together need each other in every step. One of them failed, was killed, "
     "or did not answer in time, and the message names it; the others have ended for that reason "
     "alone. Look at the messages of that rank. Published checkpoints are untouched, and the same "
     "command goes on from the last one, with as many processes as you like."},
    {"P004", kUnavailable, "no way to add up over the processes",
     "Gradients are added up by NCCL on GPUs and by MPI between processes that mpirun started on "
     "the CPU. The part that this needs is missing from this build or cannot be loaded. For MPI "
     "install libopenmpi-dev and openmpi-bin and build again; NCCL comes with LibTorch's CUDA "
     "packages. torchrun needs neither on the CPU."},
    {"P005", kUnavailable, "ranks did not find each other",
     "Processes that train together meet at MASTER_ADDR and MASTER_PORT, where rank 0 listens. The "
     "address is wrong, the port is taken or closed by a firewall, or a process was never started. "
     "SLMTUNE_RANK_SECONDS says how long they wait for each other."},
};

}  // namespace

std::span<const ErrorRow> process_rows() {
  return kRows;
}

}  // namespace slmtune
