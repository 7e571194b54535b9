// The table of libslmtune_mpi.so. The only file that sees MPI.
#include "collective/mpi/mpi_module.h"

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace slmtune::collective {
namespace {

constexpr int kNoticeTag = 1;
constexpr int kNoticeBytes = 1024;

MPI_Request under_way = MPI_REQUEST_NULL;
// One per other rank; MPI_REQUEST_NULL once it was taken.
std::vector<MPI_Request> notices;
std::string notice;

int join(int* rank, int* size) {
  // Without this, OpenMPI lets ranks of one machine read each other's memory, which the kernel
  // forbids for a program that keeps its memory private, and in many containers.
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
  int level = 0;
  const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level);
  if (error != MPI_SUCCESS) return error;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, size);
  return MPI_SUCCESS;
}

int start_float_sum(float* values, int count) {
  return MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD,
                        &under_way);
}

int start_double_sum(double* numbers, int count) {
  return MPI_Iallreduce(MPI_IN_PLACE, numbers, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD,
                        &under_way);
}

int start_broadcast(void* bytes, int count) {
  return MPI_Ibcast(bytes, count, MPI_BYTE, 0, MPI_COMM_WORLD, &under_way);
}

int is_done(int* done) {
  return MPI_Test(&under_way, done, MPI_STATUS_IGNORE);
}

// Synchronous sends: they end when the other rank takes them, and so tell who is still there.
int notify(const char* text) {
  int rank = 0, size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  notice.assign(text, strnlen(text, kNoticeBytes - 1));
  notices.assign(static_cast<size_t>(size), MPI_REQUEST_NULL);
  for (int other = 0; other < size; ++other) {
    if (other == rank) continue;
    const int error =
        MPI_Issend(notice.c_str(), static_cast<int>(notice.size()) + 1, MPI_CHAR, other, kNoticeTag,
                   MPI_COMM_WORLD, &notices[static_cast<size_t>(other)]);
    if (error != MPI_SUCCESS) return error;
  }
  return MPI_SUCCESS;
}

int waiting_for(int* rank) {
  for (size_t other = 0; other < notices.size(); ++other) {
    int done = 0;
    const int error = MPI_Test(&notices[other], &done, MPI_STATUS_IGNORE);
    if (error == MPI_SUCCESS && done) continue;
    *rank = static_cast<int>(other);
    return 1;
  }
  return 0;
}

int take_notice(int* rank, char* text, size_t text_bytes) {
  *rank = -1;
  int found = 0;
  MPI_Status status;
  int error = MPI_Iprobe(MPI_ANY_SOURCE, kNoticeTag, MPI_COMM_WORLD, &found, &status);
  if (error != MPI_SUCCESS || !found) return error;
  char taken[kNoticeBytes] = {};
  error = MPI_Recv(taken, kNoticeBytes, MPI_CHAR, status.MPI_SOURCE, kNoticeTag, MPI_COMM_WORLD,
                   MPI_STATUS_IGNORE);
  if (error != MPI_SUCCESS) return error;
  *rank = status.MPI_SOURCE;
  std::snprintf(text, text_bytes, "%s", taken);
  return MPI_SUCCESS;
}

int leave() {
  return MPI_Finalize();
}

void error_text(int error, char* text, size_t text_bytes) {
  char found[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(error, found, &length);
  std::snprintf(text, text_bytes, "%s", found);
}

constexpr MpiModule kTable = {kMpiModuleAbi,   join,    start_float_sum, start_double_sum,
                              start_broadcast, is_done, notify,          waiting_for,
                              take_notice,     leave,   error_text};

}  // namespace
}  // namespace slmtune::collective

extern "C" __attribute__((visibility("default"))) const slmtune::collective::MpiModule*
slmtune_mpi_module() {
  return &slmtune::collective::kTable;
}
