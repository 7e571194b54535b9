#include "store/store_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>

#include "core/log.h"

namespace slmtune::store {
namespace {

void check_journal(const SnapshotStore& store, StoreCheck& check) {
  const Journal journal = store.journal();
  check.journal_lines = static_cast<int64_t>(journal.lines.size());
  for (const JournalProblem& problem : journal.problems) {
    if (problem.is_torn)
      check.torn_lines.push_back(problem.line);
    else
      check.problems.push_back({"S012",
                                fmt::format("{}:{}", store.journal_path().string(), problem.line),
                                "the line was changed after it was written",
                                "restore the journal from a backup, or remove the line",
                                {}});
  }
}

void check_aliases(const SnapshotStore& store, StoreCheck& check) {
  const std::string where = store.aliases_path().string();
  try {
    const std::set<int64_t> withdrawn = withdrawn_numbers(store.journal());
    for (const auto& [alias, number] : store.aliases()) {
      if (!std::filesystem::exists(store.folder(number)))
        check.problems.push_back(
            {"S010",
             where,
             fmt::format("'{}' names snapshot #{}, which is not there", alias, number),
             "restore it, or name another one with 'slmtune snapshots promote'",
             {}});
      else if (withdrawn.count(number))
        check.problems.push_back(
            {"S008",
             where,
             fmt::format("'{}' names snapshot #{}, which is withdrawn", alias, number),
             "name another one with 'slmtune snapshots promote', or go back "
             "with 'slmtune snapshots rollback'",
             {}});
    }
  } catch (const FileFormatError& error) {
    check.problems.insert(check.problems.end(), error.diagnostics().begin(),
                          error.diagnostics().end());
  }
}

// Not by store.show(), which needs the aliases: what is wrong with those is told once.
void check_snapshot(const SnapshotStore& store, CheckedSnapshot& checked,
                    const HashProgress& progress) {
  try {
    const Manifest manifest = verify_snapshot(store.folder(checked.number), progress);
    if (manifest.number != checked.number)
      checked.problems.push_back(
          {"S005",
           (store.folder(checked.number) / kManifestName).string(),
           fmt::format("it is the manifest of snapshot #{}", manifest.number),
           "restore this snapshot from a backup",
           {}});
  } catch (const Error& error) {
    checked.problems = error.diagnostics();
  }
}

// Hashing on one core is slower than a good disk reads. The first exception is thrown on when all
// threads have stopped.
template <typename Item, typename Work>
void for_each_in_threads(std::vector<Item>& items, const Work& work) {
  constexpr size_t kMostThreads = 4;
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::atomic<size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failing;
  const auto take_items = [&] {
    try {
      for (size_t i = next++; i < items.size(); i = next++) work(items[i]);
    } catch (...) {
      next = items.size();
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < std::min({kMostThreads, cores, items.size()}); ++i)
      others.emplace_back(take_items);
    take_items();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

StoreCheck check_store(const SnapshotStore& store, const std::vector<int64_t>& numbers,
                       const CheckProgress& progress) {
  StoreCheck check;
  const double start = now_seconds();
  for (int64_t number : numbers) check.snapshots.push_back({number, 0, {}});
  std::mutex telling;
  for_each_in_threads(check.snapshots, [&](CheckedSnapshot& checked) {
    check_snapshot(store, checked, [&](uint64_t bytes) {
      const std::lock_guard lock(telling);
      checked.bytes += bytes;
      check.bytes += bytes;
      if (progress) progress(checked.number, check.bytes);
    });
  });
  check.seconds = now_seconds() - start;
  check_journal(store, check);
  check_aliases(store, check);
  return check;
}

std::vector<int64_t> subset_of(const std::vector<int64_t>& numbers, const Subset& subset) {
  std::vector<int64_t> chosen;
  std::copy_if(numbers.begin(), numbers.end(), std::back_inserter(chosen),
               [&](int64_t number) { return number % subset.parts == subset.part - 1; });
  return chosen;
}

std::vector<Diagnostic> all_problems(const StoreCheck& check) {
  std::vector<Diagnostic> problems;
  for (const CheckedSnapshot& checked : check.snapshots)
    problems.insert(problems.end(), checked.problems.begin(), checked.problems.end());
  problems.insert(problems.end(), check.problems.begin(), check.problems.end());
  return problems;
}

}  // namespace slmtune::store
