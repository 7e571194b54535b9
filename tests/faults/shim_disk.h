// What a disk would hold if the power failed now: for each file the content of its last fsync, for
// each folder the entries of its last fsync and every later state of them.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/faults/fault_shim.h"

namespace slmtune::faults {

class DiskModel {
 public:
  // What is below `root` now counts as synced.
  void begin(const std::string& root);
  bool is_active() const { return !root_.empty(); }

  void entries_changed(const std::string& folder);  // after a create, rename, unlink, mkdir, rmdir
  void folder_removed(ino_t inode);                 // its number may be given again
  void synced(int descriptor);

  // Makes `root` what is left after a power cut.
  void cut(Loss loss, uint64_t seed);

 private:
  using Entries = std::map<std::string, size_t>;  // name -> index in nodes_
  struct Node {
    bool is_folder = false;
    mode_t mode = 0;
    std::string synced_content;     // files
    std::vector<Entries> versions;  // folders: as synced, then after each change
    std::string target;             // links
  };

  size_t node_of(const std::string& path, bool is_synced);
  Entries scan(const std::string& folder, bool is_synced);
  std::string held(size_t node) const;  // a second name of the file, outside of the root
  void emit(size_t node, const std::string& path, Loss loss);
  std::string content_after(size_t node, Loss loss);
  uint64_t random(uint64_t below);

  std::string root_;
  std::vector<Node> nodes_;
  std::map<ino_t, size_t> by_inode_;
  uint64_t random_state_ = 0;
};

}  // namespace slmtune::faults
