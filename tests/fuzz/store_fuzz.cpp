// The files of a snapshot store: manifest, aliases and journal, each from the same bytes.
#include "store/journal.h"
#include "store/manifest.h"
#include "store/snapshot_store.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {

const Target kStore("store", [](std::string_view input) {
  using namespace store;
  static const bool has_snapshot = std::filesystem::create_directories(folder() / "snapshots/0001");
  if (!has_snapshot) throw std::runtime_error("no folder");
  write_input("snapshots/0001/manifest.json", input);
  read_or_refuse([&] { read_manifest(folder() / "snapshots/0001"); });
  write_input("aliases.json", input);
  write_input("journal.jsonl", input);
  read_or_refuse([&] {
    const Journal journal = read_journal(folder() / "journal.jsonl");
    highest_number(journal);
    withdrawn_numbers(journal);
  });
  read_or_refuse([&] {
    const auto all = SnapshotStore::open(folder());
    all.list();
    for (const auto& entry : all.aliases())
      read_or_refuse([&] { all.show(all.number_of("#" + entry.first)); });
  });
});

}  // namespace slmtune::fuzz
