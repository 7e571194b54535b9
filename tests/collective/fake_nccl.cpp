#include "tests/collective/fake_nccl.h"

#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/cuda/module.h"

extern "C" {
__attribute__((visibility("default"))) FakeNccl fake_nccl;
}

namespace {

using namespace slmtune::kernels;

// What the ranks of one id do together. `posted`: buffers of the call that is under way.
struct Group {
  int size = 0, joined = 0, finished = 0;
  int64_t calls = 0;  // that are done
  std::map<int, std::pair<float*, int64_t>> posted;
};

struct Team {
  Group* group;
  int rank;
  int64_t calls = 0;  // of this rank
  bool is_finishing = false;
};

std::mutex changing;
std::map<int, Group> groups;
int next_id = 1;

int make_id(CudaRanksId* id) {
  const std::lock_guard lock(changing);
  std::memcpy(id->bytes, &next_id, sizeof(next_id));
  ++next_id;
  return 0;
}

int join(const CudaRanksId* id, int rank, int size, void** team) {
  if (fake_nccl.error_of_join != 0) return fake_nccl.error_of_join;
  const std::lock_guard lock(changing);
  int number = 0;
  std::memcpy(&number, id->bytes, sizeof(number));
  Group& group = groups[number];
  group.size = size;
  ++group.joined;
  *team = new Team{&group, rank};
  return CudaNccl::kUnderWay;
}

void add_up(Group& group) {
  std::vector<float> total(static_cast<size_t>(group.posted.begin()->second.second), 0.0f);
  for (const auto& [rank, buffer] : group.posted)
    for (size_t i = 0; i < total.size(); ++i) total[i] += buffer.first[i];
  for (const auto& [rank, buffer] : group.posted)
    std::memcpy(buffer.first, total.data(), total.size() * sizeof(float));
  group.posted.clear();
  ++group.calls;
}

int state(void* given) {
  const std::lock_guard lock(changing);
  const auto* team = static_cast<Team*>(given);
  const Group& group = *team->group;
  if (team->is_finishing) {
    const bool done = fake_nccl.finishes && group.finished == group.size;
    return done ? 0 : CudaNccl::kUnderWay;
  }
  return group.joined == group.size && group.calls >= team->calls ? 0 : CudaNccl::kUnderWay;
}

int sum(void* given, float* values, int64_t count, CudaStream) {
  if (fake_nccl.error_of_sum != 0) return fake_nccl.error_of_sum;
  const std::lock_guard lock(changing);
  auto* team = static_cast<Team*>(given);
  ++team->calls;
  team->group->posted[team->rank] = {values, count};
  if (static_cast<int>(team->group->posted.size()) == team->group->size) add_up(*team->group);
  return CudaNccl::kUnderWay;
}

int wait(CudaStream) {
  return fake_nccl.error_of_wait;
}

int abort(void* team) {
  ++fake_nccl.aborted;
  delete static_cast<Team*>(team);
  return 0;
}

int finish(void* given) {
  const std::lock_guard lock(changing);
  auto* team = static_cast<Team*>(given);
  team->is_finishing = true;
  ++team->group->finished;
  return CudaNccl::kUnderWay;
}

int destroy(void* team) {
  ++fake_nccl.destroyed;
  delete static_cast<Team*>(team);
  return 0;
}

const char* nccl_text(int error) {
  return error == -5 ? "invalid usage" : "unhandled cuda error";
}

int current_stream(int device, CudaStream* stream) {
  ++fake_nccl.devices_set;
  *stream = nullptr;
  return device == 0 ? 0 : 101;  // cudaErrorInvalidDevice
}

const char* cuda_text(int) {
  return "an illegal memory access was encountered";
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const CudaModule* slmtune_cuda_module() {
  static const CudaModule table = [] {
    CudaModule made{};
    made.abi = kCudaModuleAbi;
    made.bytes = sizeof(CudaModule);
    made.host.current_stream = current_stream;
    made.host.error_text = cuda_text;
    made.nccl = {make_id, join, state, sum, wait, abort, finish, destroy, nccl_text};
    return made;
  }();
  return &table;
}
