// What the program and libslmtune_mpi.so agree on: one table of C functions over MPI, so that the
// program itself does not link it. Only processes that mpirun started open the module.
//
// One operation is under way at a time; is_done() drives it. Functions return 0, or an MPI error
// for error_text().
#pragma once
#include <cstddef>
#include <cstdint>

namespace slmtune::collective {

inline constexpr int kMpiModuleAbi = 1;

struct MpiModule {
  int abi;  // first, so that it can be read from any version

  int (*join)(int* rank, int* size);
  int (*start_float_sum)(float* values, int count);
  int (*start_double_sum)(double* numbers, int count);
  int (*start_broadcast)(void* bytes, int count);  // of rank 0
  int (*is_done)(int* done);
  // A notice to all other ranks. waiting_for() says which of them have not taken it yet: 1 and the
  // first such rank, or 0.
  int (*notify)(const char* text);
  int (*waiting_for)(int* rank);
  // Takes the notice of another rank, if there is one: *rank is -1 where there is none.
  int (*take_notice)(int* rank, char* text, size_t text_bytes);
  int (*leave)();  // waits for all ranks
  void (*error_text)(int error, char* text, size_t text_bytes);
};

}  // namespace slmtune::collective

// The module's one exported function.
extern "C" const slmtune::collective::MpiModule* slmtune_mpi_module();
