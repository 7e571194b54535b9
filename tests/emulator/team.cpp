#include "tests/emulator/team.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "tests/emulator/access_check.h"

namespace slmtune::emulator {
namespace {

// Workers that wait for work. Never destroyed: a fiber ends only by unwinding its stack.
std::vector<Worker*>& idle_workers() {
  static auto& all = *new std::vector<Worker*>;
  return all;
}

Worker* take_worker() {
  auto& idle = idle_workers();
  if (idle.empty()) return new Worker;
  Worker* worker = idle.back();
  idle.pop_back();
  return worker;
}

// Workers stopped for good in the middle of a kernel, so that leak checkers see them.
void leave_behind(Worker* worker) {
  static auto& all = *new std::vector<Worker*>;
  all.push_back(worker);
}

bool is_same(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string text_of(const std::source_location& where) {
  const std::string_view file = where.file_name();
  return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line());
}

std::string text_of(uint3 place) {
  return "(" + std::to_string(place.x) + ", " + std::to_string(place.y) + ", " +
         std::to_string(place.z) + ")";
}

}  // namespace

Team::Team(const char* kernel, dim3 threads, const std::function<void()>& body)
    : kernel_(kernel), body_(body), threads_(threads.x * threads.y * threads.z) {
  unsigned linear = 0;
  for (CudaThread& thread : threads_) {
    thread.linear = linear;
    thread.work = [this, &thread] {
      body_();
      thread.stand = Stand::kLeft;
    };
    thread.index = {linear % threads.x, linear / threads.x % threads.y,
                    linear / threads.x / threads.y};
    ++linear;
  }
}

std::string Team::position(const CudaThread& thread) const {
  return kernel_ + ", block " + text_of(block_) + ", thread " + text_of(thread.index) + " ";
}

std::string Team::run_block(uint3 block) {
  block_ = block;
  for (CudaThread& thread : threads_) {
    thread.stand = Stand::kReady;
    thread.worker = take_worker();
  }
  while (failure_.empty() && (run_ready_threads() || open_barrier())) {
  }
  for (CudaThread& thread : threads_) {
    if (thread.stand == Stand::kLeft)
      idle_workers().push_back(thread.worker);
    else
      leave_behind(thread.worker);
  }
  return failure_;
}

// Every round begins at another thread and every second one goes backwards: what depends on the
// order of the threads does not pass by luck.
bool Team::run_ready_threads() {
  const size_t count = threads_.size(), start = rounds_ * size_t{37} % count;
  const bool is_backwards = rounds_++ % 2 == 1;
  bool has_run = false;
  for (size_t i = 0; i < count && failure_.empty(); ++i) {
    CudaThread& thread = threads_[(start + (is_backwards ? count - 1 - i : i)) % count];
    if (thread.stand != Stand::kReady) continue;
    has_run = true;
    running_ = &thread;
    thread_index = thread.index;
    clock_of_launch().run_thread(thread.linear);
    thread.worker->run(thread.work);
  }
  running_ = nullptr;
  return has_run;
}

bool Team::open_barrier() {
  const CudaThread* first = nullptr;
  BlockVote votes{};
  for (const CudaThread& thread : threads_) {
    if (thread.stand == Stand::kLeft) continue;
    if (first == nullptr) first = &thread;
    if (thread.stand != Stand::kAtBlockBarrier || !is_same(thread.where, first->where)) {
      failure_ = stalled();
      return false;
    }
    ++votes.live;
    votes.ones += thread.vote != 0;
  }
  if (first == nullptr) return false;
  votes_ = votes;
  for (CudaThread& thread : threads_)
    if (thread.stand == Stand::kAtBlockBarrier) thread.stand = Stand::kReady;
  clock_of_launch().pass_barrier();
  return true;
}

// One line for each place at which threads wait, with the first of them.
std::string Team::stalled() const {
  std::vector<const CudaThread*> firsts;
  for (const CudaThread& thread : threads_) {
    if (thread.stand == Stand::kLeft) continue;
    const bool is_known = std::any_of(firsts.begin(), firsts.end(), [&](const CudaThread* other) {
      return other->stand == thread.stand && is_same(other->where, thread.where);
    });
    if (!is_known) firsts.push_back(&thread);
  }
  std::string text = position(*firsts.front()) + "waits for threads that do not come:";
  for (const CudaThread* first : firsts) {
    text += " thread " + text_of(first->index) + " is at ";
    text += first->stand == Stand::kAtBlockBarrier ? "the barrier " : "the warp operation ";
    text += text_of(first->where) + ";";
  }
  const auto left = std::count_if(threads_.begin(), threads_.end(), [](const CudaThread& thread) {
    return thread.stand == Stand::kLeft;
  });
  return text + " " + std::to_string(left) + " threads have left";
}

BlockVote Team::meet_block(int vote, const std::source_location& where) {
  CudaThread& self = *running_;
  self.stand = Stand::kAtBlockBarrier;
  self.vote = vote;
  self.where = where;
  self.worker->stop();
  return votes_;
}

bool Team::is_complete(unsigned warp, unsigned mask, const std::source_location& where) const {
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (((mask >> lane) & 1u) == 0) continue;
    const CudaThread& other = threads_[warp * 32 + lane];
    if (other.stand != Stand::kAtWarpOperation || other.mask != mask ||
        !is_same(other.where, where))
      return false;
  }
  return true;
}

void Team::meet_warp(unsigned mask, void* mine, Combine combine, bool orders_memory,
                     const std::source_location& where) {
  CudaThread& self = *running_;
  const unsigned warp = self.linear / 32, own = self.linear % 32;
  if (((mask >> own) & 1u) == 0)
    fail("is not in the mask of its own warp operation at " + text_of(where));
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (((mask >> lane) & 1u) == 0) continue;
    const size_t other = warp * size_t{32} + lane;
    if (other >= threads_.size() || threads_[other].stand == Stand::kLeft)
      fail("waits at " + text_of(where) + " for lane " + std::to_string(lane) +
           ", which does not exist or has left");
  }
  self.stand = Stand::kAtWarpOperation;
  self.where = where;
  self.mask = mask;
  self.mine = mine;
  if (!is_complete(warp, mask, where)) {
    self.worker->stop();
    return;
  }
  void* lanes[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane)
    if (((mask >> lane) & 1u) != 0) {
      CudaThread& other = threads_[warp * 32 + lane];
      lanes[lane] = other.mine;
      other.stand = Stand::kReady;
    }
  is_combining_ = true;
  if (combine != nullptr) combine(lanes, mask);
  is_combining_ = false;
  if (orders_memory) clock_of_launch().synchronise_lanes(warp, mask);
}

void Team::fail(const std::string& what) {
  failure_ = position(*running_) + what;
  for (;;) running_->worker->stop();
}

}  // namespace slmtune::emulator
