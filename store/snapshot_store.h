// The store of one recipe: numbered snapshots that never change, aliases that name them, and a
// journal of every move.
//
//   SnapshotStore store = SnapshotStore::create_or_open("runs/faq");
//   FileLock lock(store.lock_path(), "train recipes/faq.yaml");
//   int64_t number = store.claim();
//   … write the adapter into store.staging(number) …
//   store.publish({.number = number, .name = "faq", .method = "lora"});
//
// Whoever claims, publishes or sweeps holds the lock; reading needs none, since a snapshot appears
// by one rename.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/manifest.h"

namespace slmtune::store {

struct SnapshotInfo {
  int64_t number = 0;
  std::filesystem::path path;
  Manifest manifest;                 // empty when `problem` is set
  std::vector<std::string> aliases;  // that name it now
  std::string problem;               // why the manifest cannot be read; only list() fills it
};

class SnapshotStore {
 public:
  static SnapshotStore open(const std::filesystem::path& path);  // N002 when there is none
  static SnapshotStore create_or_open(const std::filesystem::path& path);  // W002, W003, W004

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path lock_path() const { return path_ / "lock"; }

  // Takes the next number and makes its staging folder. A number is never given twice, even when
  // its snapshot was never published or was deleted later.
  int64_t claim();
  std::filesystem::path staging(int64_t number) const;
  // Records every file of the staging folder, writes manifest.json last, renames the folder into
  // place, moves `latest` and appends to the journal. Until the rename nothing is visible; after it
  // the content never changes.
  SnapshotInfo publish(Manifest manifest, const std::string& reason = "");
  // Removes staging folders that a stopped run left behind; returns how many.
  int64_t sweep();

  std::vector<SnapshotInfo> list() const;          // by number; a damaged one has `problem` set
  SnapshotInfo show(int64_t number) const;         // S001, S005
  // The snapshot that the run of this folder name published. A run that was killed after that and
  // before its summary.json must not publish again.
  std::optional<SnapshotInfo> of_run(const std::string& run) const;
  SnapshotInfo verify(int64_t number) const;       // S001, S004, S005, S006
  std::map<std::string, int64_t> aliases() const;  // S007

  // "#1", "1", "#latest", "production" -> number of a published snapshot. S001, S002, S003.
  int64_t number_of(const std::string& text) const;
  std::filesystem::path resolve(const std::string& text) const { return folder(number_of(text)); }
  std::filesystem::path folder(int64_t number) const;  // may not exist

 private:
  explicit SnapshotStore(std::filesystem::path path) : path_(std::move(path)) {}
  std::vector<int64_t> published() const;
  int64_t highest_number() const;
  void move_alias(const std::string& alias, int64_t number, const std::string& action,
                  const std::string& reason);

  std::filesystem::path path_;
};

struct SnapshotRef {
  std::filesystem::path folder;
  Manifest manifest;
};

// `STORE#42`, `STORE#production`, `#42` in `default_store`, or the path of a snapshot's folder.
// Nothing when `text` is none of these (a model folder, say). S001, S002, S003, S005, N002.
std::optional<SnapshotRef> parse_snapshot_ref(
    const std::string& text, const std::optional<std::filesystem::path>& default_store = {});

}  // namespace slmtune::store
