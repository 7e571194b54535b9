// A store in a folder of its own, with snapshots that take no time to make. In memory where the
// system has a folder for that: what survives a crash of the machine is tested in tests/faults.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/json.h"
#include "store/snapshot_store.h"
#include "tests/support/temp_folder.h"

namespace slmtune::store {

class StoreTest : public ::testing::Test {
 protected:
  static bool in_memory() {
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    return true;
  }

  // Claims and publishes one snapshot with a small file in it.
  SnapshotInfo add(const std::string& content = "weights") {
    Manifest manifest;
    manifest.number = store.claim();
    manifest.name = "faq";
    std::ofstream(store.staging(manifest.number) / "adapter.bin") << content;
    return store.publish(manifest, "test");
  }

  void add(int count) {
    for (int i = 0; i < count; ++i) add();
  }

  // Writes over a file of a published snapshot, which is read-only.
  void damage(int64_t number) const {
    const auto file = store.folder(number) / "adapter.bin";
    std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::string bytes = testing::TempFolder::read(file);
    bytes[0] = static_cast<char>(bytes[0] ^ 1);
    std::ofstream(file, std::ios::binary) << bytes;
  }

  int64_t named(const char* alias) const {
    const Aliases aliases = store.aliases();
    auto found = aliases.find(alias);
    return found == aliases.end() ? 0 : found->second;
  }

  bool memory = in_memory();
  testing::TempFolder folder;
  SnapshotStore store = SnapshotStore::create_or_open(folder.path() / "runs/faq");
};

}  // namespace slmtune::store
