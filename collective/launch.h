// How many processes train together and which of them this is, from the variables that launchers
// set: torchrun's RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT (so do Kubernetes
// operators and Ray), OpenMPI's OMPI_COMM_WORLD_*, Slurm's SLURM_PROCID and so on within srun.
// Torchrun's come first, since users set them to overrule a launcher.
//
//   const Launch launch = launch_of_environment();
//   if (launch.leads()) lock the store …
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace slmtune::collective {

enum class Launcher { kNone, kTorchrun, kMpi, kSlurm };

struct Launch {
  Launcher launcher = Launcher::kNone;
  int rank = 0, size = 1;
  int local_rank = 0;        // among the processes of this machine
  int local_size = 1;        // 0: not known
  std::string address = {};  // where rank 0 listens; "": not known
  uint16_t port = 29500;
  bool has_agent = false;     // torchrun's agent listens there, not rank 0
  std::string attempt = "0";  // of torchrun: processes of different attempts never meet
  double patience = 600.0;    // seconds that a rank waits for another one
  bool several() const { return size > 1; }
  bool leads() const { return rank == 0; }
};

// The value of a variable, nullptr where it is not set.
using Environment = std::function<const char*(const char* name)>;

// P001 with the name of the variable that is missing, is no number or out of range.
Launch launch_of(const Environment& variable);
Launch launch_of_environment();

// CUDA_VISIBLE_DEVICES for a process of `launch`, so that each sees its own GPU as number 0. Empty:
// leave it as it is (one process, or a launcher that gave each one GPU already). P001 when there
// are fewer GPUs in `visible` than processes on this machine. `visible` may be null.
std::string visible_gpu(const Launch& launch, const char* visible);

}  // namespace slmtune::collective
