#include "tests/faults/store_operations.h"

#include <algorithm>
#include <set>

#include "core/atomic_file.h"
#include "core/file_lock.h"
#include "store/feedback.h"
#include "store/retention.h"
#include "store/snapshot_store.h"
#include "store/store_check.h"
#include "tests/faults/plain_file.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;
using store::SnapshotStore;
using Numbers = std::set<int64_t>;

// Writes the files of a snapshot in the way training does, and two as a copying tool would.
void publish_one(SnapshotStore& store) {
  const int64_t number = store.claim();
  try {
    const fs::path staging = store.staging(number);
    write_file(staging / "adapter_model.safetensors", std::string(3000, 'w'));
    write_plainly(staging / "adapter_config.json", "{}\n", false);
    make_folder(staging / "more");
    write_plainly(staging / "more/merges.txt", "a b\n", false);
    store::Manifest manifest;
    manifest.number = number;
    manifest.name = "faq";
    manifest.method = "lora";
    store.publish(manifest);
  } catch (...) {
    store.discard(number);
    throw;
  }
}

void make_store(const fs::path& root, int snapshots, const std::vector<int64_t>& promoted) {
  SnapshotStore store = SnapshotStore::create_or_open(root / "faq");
  FileLock lock(store.lock_path(), "prepare");
  for (int i = 0; i < snapshots; ++i) publish_one(store);
  for (int64_t number : promoted) store.promote(number, "better");
}

int64_t named(const SnapshotStore& store, const char* alias) {
  const store::Aliases aliases = store.aliases();
  auto found = aliases.find(alias);
  return found == aliases.end() ? 0 : found->second;
}

// What no fault may ever do to a store: these snapshots are there and whole, all aliases name whole
// snapshots, the journal can be read and knows the numbers up to `highest`.
std::string store_problem(const SnapshotStore& store, const Numbers& kept, int64_t highest) {
  const std::vector<int64_t> numbers = store.published();
  const store::StoreCheck check = store::check_store(store, numbers);
  if (const auto problems = store::all_problems(check); !problems.empty())
    return problems.front().where + ": " + problems.front().what;
  for (int64_t number : kept)
    if (!std::count(numbers.begin(), numbers.end(), number))
      return "snapshot #" + std::to_string(number) + " is lost";
  if (store::highest_number(store.journal()) < highest) return "the journal forgot a number";
  for (const store::SnapshotInfo& info : store.list())
    if (!info.problem.empty()) return info.problem;
  return "";
}

Operation publish() {
  return {"publish",
          [](const fs::path& root) {
            make_store(root, 2, {1, 2});
          },
          [](const fs::path& root) {
            SnapshotStore store = SnapshotStore::create_or_open(root / "faq");
            FileLock lock(store.lock_path(), "train");
            store.sweep();
            publish_one(store);
          },
          [](const fs::path& root, bool done) -> std::string {
            const SnapshotStore store = SnapshotStore::open(root / "faq");
            const int64_t newest = store.published().back();
            if (done && newest < 3) return "what was published is lost";
            if (named(store, "production") != 2 || named(store, "previous") != 1)
              return "an alias moved";
            if (named(store, "latest") != newest) return "'latest' is not the newest";
            if (done && named(store, "candidate") != newest) return "'candidate' is not the newest";
            return store_problem(store, {1, 2}, done ? newest : 2);
          }};
}

Operation publish_first() {
  return {"publish into a new store", [](const fs::path&) {},
          [](const fs::path& root) {
            SnapshotStore store = SnapshotStore::create_or_open(root / "faq");
            FileLock lock(store.lock_path(), "train");
            store.sweep();
            publish_one(store);
          },
          [](const fs::path& root, bool done) -> std::string {
            if (!done && !fs::exists(root / "faq/snapshots")) return "";
            const SnapshotStore store = SnapshotStore::open(root / "faq");
            if (done && store.published().empty()) return "what was published is lost";
            return store_problem(store, {}, done ? 1 : 0);
          }};
}

// A number that was given once is never given again, though nothing came of it.
Operation claim() {
  return {"claim", [](const fs::path& root) { SnapshotStore::create_or_open(root / "faq"); },
          [](const fs::path& root) {
            SnapshotStore store = SnapshotStore::create_or_open(root / "faq");
            store.sweep();
            store.discard(store.claim());
          },
          [](const fs::path& root, bool done) {
            return store_problem(SnapshotStore::open(root / "faq"), {}, done ? 1 : 0);
          }};
}

Operation promote() {
  return {"promote",
          [](const fs::path& root) {
            make_store(root, 3, {1, 2});
          },
          [](const fs::path& root) { SnapshotStore::open(root / "faq").promote(3, "better"); },
          [](const fs::path& root, bool done) -> std::string {
            const SnapshotStore store = SnapshotStore::open(root / "faq");
            const int64_t now = named(store, "production"), before = named(store, "previous");
            const bool moved = now == 3 && before == 2, stayed = now == 2 && before == 1;
            if (!moved && (done || !stayed)) return "'production' and 'previous' do not fit";
            return store_problem(store, {1, 2, 3}, 3);
          }};
}

Operation rollback() {
  return {"rollback",
          [](const fs::path& root) {
            make_store(root, 3, {1, 2, 3});
          },
          [](const fs::path& root) {
            SnapshotStore store = SnapshotStore::open(root / "faq");
            if (named(store, "production") == 3) store.rollback("worse");
          },
          [](const fs::path& root, bool done) -> std::string {
            const SnapshotStore store = SnapshotStore::open(root / "faq");
            const int64_t now = named(store, "production"), before = named(store, "previous");
            const bool moved = now == 2 && before == 1, stayed = now == 3 && before == 2;
            if (!moved && (done || !stayed)) return "'production' and 'previous' do not fit";
            return store_problem(store, {1, 2, 3}, 3);
          }};
}

// Three snapshots, their exports and the checkpoints of a finished run may go.
Operation collect_garbage() {
  return {
      "gc",
      [](const fs::path& root) {
        make_store(root, 5, {3});
        const fs::path store = root / "faq";
        make_folder(store / "exports/0001");
        write_file(store / "exports/0001/faq-q8_0.gguf", std::string(2000, 'g'));
        make_folder(store / "runs/20260131T090507Z-0001/checkpoints/step-000002");
        write_file(store / "runs/20260131T090507Z-0001/summary.json", "{}\n");
        write_file(store / "runs/20260131T090507Z-0001/recipe.yaml", "name: faq\n");
        write_file(store / "runs/20260131T090507Z-0001/checkpoints/step-000002/state.json", "{}\n");
      },
      [](const fs::path& root) {
        SnapshotStore store = SnapshotStore::open(root / "faq");
        FileLock lock(store.lock_path(), "snapshots gc");
        store::apply_retention(store, {.keep = 1, .weeks = 0, .now = int64_t{1} << 40});
      },
      [](const fs::path& root, bool done) -> std::string {
        const SnapshotStore store = SnapshotStore::open(root / "faq");
        const std::vector<int64_t> numbers = store.published();
        const fs::path checkpoints = "runs/20260131T090507Z-0001/checkpoints";
        if (done && numbers != std::vector<int64_t>{3, 5}) return "something stayed or is back";
        if (done &&
            (fs::exists(store.path() / "exports/0001") || fs::exists(store.path() / checkpoints)))
          return "exports or checkpoints are back";
        if (named(store, "production") != 3) return "'production' moved";
        return store_problem(store, {3, 5}, 5);
      },
      ".removed-"};
}

Operation withdraw() {
  return {"withdraw",
          [](const fs::path& root) {
            make_store(root, 3, {1, 2});
          },
          [](const fs::path& root) {
            SnapshotStore::open(root / "faq").withdraw({1, 3}, "asked");
          },
          [](const fs::path& root, bool done) -> std::string {
            const SnapshotStore store = SnapshotStore::open(root / "faq");
            const Numbers marked = store::withdrawn_numbers(store.journal());
            if (done && marked != Numbers{1, 3}) return "a withdrawal is lost";
            if (named(store, "production") != 2) return "'production' moved";
            if (marked.count(3) && named(store, "latest") == 3) return "'latest' is withdrawn";
            return store_problem(store, {1, 2, 3}, 3);
          }};
}

Operation vote(bool is_first) {
  return {is_first ? "first feedback-append" : "feedback-append",
          [=](const fs::path& root) {
            if (!is_first) store::append_vote(root / "feedback.jsonl", {"a", 1, true, ""});
          },
          [](const fs::path& root) {
            store::append_vote(root / "feedback.jsonl", {"b", 1, false, ""});
          },
          [=](const fs::path& root, bool done) -> std::string {
            Numbers seen;
            const store::Votes read = store::read_votes(root / "feedback.jsonl");
            for (const store::Vote& one : read.votes) seen.insert(one.answer == "a" ? 1 : 2);
            if (!is_first && !seen.count(1)) return "an earlier vote is lost";
            if (done && !seen.count(2)) return "the vote is lost";
            return read.passed_over > 1 ? "more than one line is torn" : "";
          }};
}

}  // namespace

std::vector<Operation> store_operations() {
  return {publish(),         publish_first(), claim(),    promote(),  rollback(),
          collect_garbage(), withdraw(),      vote(true), vote(false)};
}

}  // namespace slmtune::faults
