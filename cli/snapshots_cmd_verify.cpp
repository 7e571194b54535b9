// snapshots verify: reads everything through.
#include <fmt/format.h>

#include <charconv>

#include "cli/output.h"
#include "cli/snapshots_cmd.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "store/store_check.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

store::Subset read_subset(const std::string& text) {
  store::Subset subset;
  const char* end = text.data() + text.size();
  auto [slash, first] = std::from_chars(text.data(), end, subset.part);
  bool good = first == std::errc() && slash != end && *slash == '/';
  if (good) {
    auto [stop, second] = std::from_chars(slash + 1, end, subset.parts);
    good = second == std::errc() && stop == end;
  }
  if (!good || subset.part < 1 || subset.part > subset.parts || subset.parts > 10000)
    throw UserError("U004", "--subset", "'" + shown(text) + "' is no part K/N",
                    "write it as 1/4, 2/4, 3/4 or 4/4");
  return subset;
}

struct Task {
  fs::path store;
  std::vector<int64_t> numbers;
};

// One snapshot, or a store: the one that is named, else the one the user is in.
Task find_task(const SnapshotsOptions& options) {
  const bool is_store =
      options.snapshot.empty() || fs::is_directory(fs::path(options.snapshot) / "snapshots");
  if (!is_store) {
    const SnapshotPlace place = place_of(options.snapshot, options);
    return {place.store, {store::SnapshotStore::open(place.store).number_of(place.reference)}};
  }
  const fs::path path = options.snapshot.empty() ? store_path(options) : fs::path(options.snapshot);
  return {path, store::subset_of(store::SnapshotStore::open(path).published(),
                                 read_subset(options.subset))};
}

store::StoreCheck check(const Task& task) {
  const double start = now_seconds();
  ProgressLine progress;
  return store::check_store(
      store::SnapshotStore::open(task.store), task.numbers, [&](int64_t number, uint64_t bytes) {
        const double seconds = now_seconds() - start;
        if (seconds > 1)
          progress.show(fmt::format(
              "verifying #{}, {} read, {}/s", number, human_bytes(bytes),
              human_bytes(static_cast<uint64_t>(static_cast<double>(bytes) / seconds))));
      });
}

uint64_t bytes_per_second(const store::StoreCheck& check) {
  return check.seconds > 0 ? static_cast<uint64_t>(static_cast<double>(check.bytes) / check.seconds)
                           : 0;
}

OrderedJson problems_json(const std::vector<Diagnostic>& problems) {
  OrderedJson json = OrderedJson::array();
  for (const Diagnostic& problem : problems)
    json.push_back({{"code", problem.code}, {"where", problem.where}, {"what", problem.what}});
  return json;
}

void print_check_json(const Task& task, const store::StoreCheck& check) {
  OrderedJson json = {
      {"schema", 1}, {"store", task.store.string()}, {"snapshots", OrderedJson::array()}};
  for (const store::CheckedSnapshot& one : check.snapshots)
    json["snapshots"].push_back(
        {{"number", one.number}, {"bytes", one.bytes}, {"problems", problems_json(one.problems)}});
  json["journal"] = {{"lines", check.journal_lines}, {"torn_lines", check.torn_lines}};
  json["problems"] = problems_json(check.problems);
  json["bytes"] = check.bytes;
  json["seconds"] = check.seconds;
  json["bytes_per_second"] = bytes_per_second(check);
  print_json(json);
}

void print_check(const store::StoreCheck& check) {
  print_line(fmt::format("{:>6}  {:>10}  {}", "number", "read", "state"));
  for (const store::CheckedSnapshot& one : check.snapshots)
    print_line(
        fmt::format("{:>6}  {:>10}  {}", fmt::format("#{}", one.number), human_bytes(one.bytes),
                    one.problems.empty() ? std::string("whole")
                                         : fmt::format("damaged: {}", one.problems.front().what)));
  print_line(fmt::format("journal: {} lines; aliases: {}", check.journal_lines,
                         check.problems.empty() ? "whole" : "see below"));
  print_line(fmt::format("read {} in {:.2f} s, {}/s", human_bytes(check.bytes), check.seconds,
                         human_bytes(bytes_per_second(check))));
}

}  // namespace

ExitCode run_snapshots_verify(const SnapshotsOptions& options, const Common& common) {
  const Task task = find_task(options);
  const store::StoreCheck result = check(task);
  for (int64_t line : result.torn_lines)
    log_warning(
        fmt::format("line {} of the journal was cut off by a crash; it is passed over", line));
  if (common.json)
    print_check_json(task, result);
  else
    print_check(result);
  std::vector<Diagnostic> problems = store::all_problems(result);
  if (!problems.empty()) throw FileFormatError(std::move(problems));
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
