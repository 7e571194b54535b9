// The store of one recipe: numbered snapshots that never change, aliases that name them, and a
// journal of every move.
//
//   SnapshotStore store = SnapshotStore::create_or_open("runs/faq");
//   FileLock lock(store.lock_path(), "train recipes/faq.yaml");
//   int64_t number = store.claim();
//   … write the adapter into store.staging(number) …
//   store.publish({.number = number, .name = "faq", .method = "lora"});
//   store.promote(number, "better on the golden set");
//
// Whoever claims, publishes, removes or sweeps holds the lock. Moving an alias does not need it, so
// that a promotion never waits for a training run: the journal is locked for the moment instead.
// Reading needs no lock: a snapshot appears by one rename, the aliases change by one rename.
//
// Aliases: `latest` is the newest snapshot that is not withdrawn, `candidate` the newest published
// one that nobody has promoted, `production` what serves, `previous` where a rollback goes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/aliases.h"
#include "store/journal.h"
#include "store/manifest.h"

namespace slmtune::store {

struct SnapshotInfo {
  int64_t number = 0;
  std::filesystem::path path;
  Manifest manifest;                 // empty when `problem` is set
  std::vector<std::string> aliases;  // that name it now
  bool is_withdrawn = false;
  std::string problem;  // why the manifest cannot be read; only list() fills it
};

struct PassedOver {
  int64_t number = 0;
  std::string why;
};

struct ProductionMove {
  int64_t from = 0, to = 0;        // 0 = nothing was in production
  int64_t previous = 0;            // where a rollback would go now; 0 = nowhere
  std::vector<PassedOver> passed;  // by a rollback
  bool changed() const { return from != to; }
};

class SnapshotStore {
 public:
  static SnapshotStore open(const std::filesystem::path& path);  // N002 when there is none
  static SnapshotStore create_or_open(const std::filesystem::path& path);  // W002, W003, W004

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path lock_path() const { return path_ / "lock"; }
  std::filesystem::path journal_path() const { return path_ / "journal.jsonl"; }
  std::filesystem::path aliases_path() const { return path_ / "aliases.json"; }

  // Takes the next number and makes its staging folder. A number is never given twice, even when
  // its snapshot was never published or was deleted later.
  int64_t claim();
  std::filesystem::path staging(int64_t number) const;
  // Records every file of the staging folder, makes it read-only, writes manifest.json last,
  // renames the folder into place, moves `latest` and `candidate` and appends to the journal. Until
  // the rename nothing is visible; after it the content never changes.
  SnapshotInfo publish(Manifest manifest, const std::string& reason = "");
  // Removes the staging folder of a claim that came to nothing, a full disk for example, without an
  // error of its own. The number stays taken.
  void discard(int64_t number) const noexcept;
  // Removes what a stopped run left behind: staging folders, half removed ones, temporaries; and
  // finishes the journal and the aliases of a snapshot whose run was killed right after the rename.
  // Returns the number of staging folders.
  int64_t sweep();
  // Takes a published snapshot away: journal, then one rename; sweep() or empty_trash() deletes the
  // files. For retention (store/retention.h), which knows what may go.
  void remove(int64_t number, const std::string& reason, JournalWriter& writer);
  void empty_trash();

  std::vector<SnapshotInfo> list() const;     // by number; a damaged one has `problem` set
  SnapshotInfo show(int64_t number) const;    // S001, S005
  SnapshotInfo verify(int64_t number) const;  // S001, S004, S005, S006
  // The snapshot that the run of this folder name published. A run that was killed after that and
  // before its summary.json must not publish again.
  std::optional<SnapshotInfo> of_run(const std::string& run) const;
  std::vector<int64_t> published() const;  // numbers, ascending
  Aliases aliases() const;                 // S007
  Journal journal() const { return read_journal(journal_path()); }

  // production := `number` after its content was verified, previous := what was in production. No
  // change when it is there already. S001, S004, S005, S006; S008 withdrawn; L001.
  ProductionMove promote(int64_t number, const std::string& reason);
  // production := the snapshot that was there before: the newest of its history that is still
  // there, whole and not withdrawn. A second rollback goes one further back. S009 when there is
  // none.
  ProductionMove rollback(const std::string& reason);
  // Marks snapshots as not to be used again: they are never promoted and `candidate`, `previous`
  // and `latest` pass them over; production is not moved. Returns those that were not marked yet.
  std::vector<int64_t> withdraw(const std::vector<int64_t>& numbers, const std::string& reason);

  // "#1", "1", "#latest", "production" -> number of a published snapshot. S001, S002, S003.
  int64_t number_of(const std::string& text) const;
  std::filesystem::path resolve(const std::string& text) const { return folder(number_of(text)); }
  std::filesystem::path folder(int64_t number) const;  // may not exist

 private:
  struct State;  // journal, aliases, published and withdrawn numbers at one moment

  explicit SnapshotStore(std::filesystem::path path) : path_(std::move(path)) {}
  State state() const;
  SnapshotInfo show(int64_t number, const State& state) const;
  int64_t next_number() const;
  void record_publish(int64_t number, const std::string& reason, JournalWriter& writer);
  std::string why_not(int64_t number) const;
  void move_production(ProductionMove& move, const JournalLine& line, JournalWriter& writer);

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
