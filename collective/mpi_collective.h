// Processes on the CPU that mpirun started: OpenMPI, through libslmtune_mpi.so beside the program
// (collective/mpi/). No call of MPI blocks, so that a rank which fails or does not come is noticed:
// whoever waits too long sends all ranks a notice, and the one that does not take it is the one
// that is missing.
#pragma once
#include <filesystem>

#include "collective/collective.h"
#include "collective/launch.h"
#include "collective/mpi/mpi_module.h"

namespace slmtune::collective {

// libslmtune_mpi.so beside the running program.
std::filesystem::path default_mpi_module();

// Opens the module, once per process. P004 when it is missing, cannot be loaded or belongs to
// another build.
const MpiModule& open_mpi_module(const std::filesystem::path& file = default_mpi_module());

class MpiCollective final : public Collective {
 public:
  // P002 when MPI counts other ranks than the launcher's variables do, P004 when it fails.
  MpiCollective(const Launch& launch, const MpiModule& mpi);

  void sum(float* values, int64_t count) override;
  void sum(std::span<double> numbers) override;
  void broadcast(std::vector<std::byte>& bytes) override;
  void barrier() override;
  void settle() override;
  void fail(const std::string& why) noexcept override;
  void leave() override;

 private:
  void check(int error, const char* call) const;
  void finish(const char* call);
  void look_for_notice();
  [[noreturn]] void give_up();

  const Launch launch_;
  const MpiModule& mpi_;
};

}  // namespace slmtune::collective
