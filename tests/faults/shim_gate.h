// Between a call and the kernel: counts it, and decides what becomes of it.
#pragma once
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <string>

#include "tests/faults/fault_shim.h"
#include "tests/faults/shim_disk.h"

namespace slmtune::faults {

// Absolute path, without "." and ".."; empty when it cannot be told.
std::string absolute_path(int folder_descriptor, const char* path);
std::string path_of(int descriptor);
std::string parent_of(const std::string& path);

// Whether the shim is armed, the path is below the root, and the call is not one of the shim's own.
bool is_watched(const std::string& path);

struct Decision {
  int error = 0;         // let the call fail with this
  bool is_half = false;  // write half of the bytes only
  bool is_pretended = false;
  bool is_torn = false;  // a rename in steps
};

// One watched call, from its count to its end. Holds the lock and switches watching off for what
// the shim does itself.
class Passage {
 public:
  Passage(CallKind kind, const std::string& path);
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  const Decision& decision() const { return decision_; }
  void end();  // the call is done: the plan may kill or cut here

 private:
  CallKind kind_;
  int64_t number_ = 0;
  Decision decision_;
};

// A further point, within a torn rename, at which the plan may strike.
void pass_point(CallKind kind, const std::string& path);

// The books of the disk when the plan needs them, else nullptr.
DiskModel* disk_model();

int64_t planned_free_bytes();
bool has_plain_renames();

// Runs `action` (0 or more = success) unless the plan says otherwise; `effect` keeps the books.
template <class Action, class Effect>
auto through(CallKind kind, const std::string& path, Action action, Effect effect)
    -> decltype(action()) {
  if (!is_watched(path)) return action();
  Passage passage(kind, path);
  if (passage.decision().error) {
    errno = passage.decision().error;
    return -1;
  }
  if (passage.decision().is_pretended) return 0;
  const auto result = action();
  const int error = errno;
  if (result >= 0 && disk_model()) effect(*disk_model());
  passage.end();
  errno = error;
  return result;
}

// The same for writes of `size` bytes; `action` takes how many of them to write.
template <class Action>
auto write_through(const std::string& path, size_t size, Action action) -> decltype(action(size)) {
  if (!is_watched(path)) return action(size);
  Passage passage(CallKind::kWrite, path);
  if (passage.decision().error) {
    errno = passage.decision().error;
    return -1;
  }
  const auto result = action(passage.decision().is_half ? (size + 1) / 2 : size);
  const int error = errno;
  passage.end();
  errno = error;
  return result;
}

}  // namespace slmtune::faults
