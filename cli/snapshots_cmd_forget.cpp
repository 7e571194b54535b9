// snapshots forget: which snapshots were trained on certain rows, and out of use with them.
#include <fmt/format.h>

#include "cli/output.h"
#include "cli/snapshots_cmd.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "data/replay.h"
#include "data/row_keys.h"
#include "data/token_cache.h"
#include "store/forget.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

std::vector<store::SoughtRow> sought_rows(const SnapshotsOptions& options) {
  if (options.where.empty() && options.rows.empty())
    throw UserError("U003", "slmtune", "--where or --rows is missing",
                    "say which rows: --where id=4711, or --rows FILE with the rows themselves");
  std::vector<store::SoughtRow> rows;
  for (const std::string& text : options.where) {
    const size_t equal = text.find('=');
    if (equal == std::string::npos || equal == 0)
      throw UserError("U004", "--where", "this is no FIELD=VALUE",
                      "write it as --where id=4711; a field within another one is meta.user");
    rows.push_back({data::field_key(text.substr(0, equal), text.substr(equal + 1))});
  }
  if (options.rows.empty()) return rows;
  for (const data::RowKeys& keys : data::keys_of_file(options.rows)) {
    rows.push_back({keys.row});
    if (keys.id) rows.back().push_back(*keys.id);
  }
  return rows;
}

void print_search_json(const fs::path& path, size_t rows, const store::RowSearch& search,
                       const std::vector<int64_t>& withdrawn) {
  OrderedJson json = {{"schema", 1},
                      {"store", path.string()},
                      {"rows_sought", rows},
                      {"snapshots", OrderedJson::array()}};
  for (const store::SeenRows& one : search.seen)
    json["snapshots"].push_back({{"number", one.info.number},
                                 {"path", one.info.path.string()},
                                 {"aliases", one.info.aliases},
                                 {"trained_rows", one.trained},
                                 {"inherited_rows", one.inherited},
                                 {"withdrawn", one.info.is_withdrawn}});
  json["unknown"] = search.unknown;
  json["elsewhere"] = search.elsewhere;
  json["newly_withdrawn"] = withdrawn;
  print_json(json);
}

void print_search(const store::RowSearch& search, const std::vector<int64_t>& withdrawn) {
  if (search.seen.empty()) {
    print_line("no snapshot was trained on these rows");
  } else {
    print_line(fmt::format("{:>6}  {:<20}  {:>7}  {:>9}  {}", "number", "created", "trained",
                           "inherited", "aliases"));
    for (const store::SeenRows& one : search.seen) {
      std::vector<std::string> marks = one.info.aliases;
      if (one.info.is_withdrawn) marks.push_back("withdrawn");
      print_line(fmt::format("{:>6}  {:<20}  {:>7}  {:>9}  {}", fmt::format("#{}", one.info.number),
                             shown(one.info.manifest.created), one.trained, one.inherited,
                             joined(marks)));
    }
  }
  std::vector<std::string> numbers;
  for (int64_t number : withdrawn) numbers.push_back(fmt::format("#{}", number));
  if (!numbers.empty()) print_line("withdrawn: " + joined(numbers));
}

void say_limits(const store::RowSearch& search) {
  std::vector<std::string> numbers;
  for (int64_t number : search.unknown) numbers.push_back(fmt::format("#{}", number));
  if (!numbers.empty())
    log_warning("not known, because they or what they continue have no index of rows: " +
                joined(numbers));
  for (const std::string& other : search.elsewhere)
    log_warning("training went on from " + shown(other, 300) + ", in another store: ask it too");
}

// Production is not moved without being asked to.
void check_production(const store::SnapshotStore& store, const fs::path& path) {
  const store::Aliases aliases = store.aliases();
  auto production = aliases.find("production");
  if (production == aliases.end() || !withdrawn_numbers(store.journal()).count(production->second))
    return;
  throw UserError(
      "S008", path.string(),
      fmt::format("'production' names snapshot #{}, which is withdrawn", production->second),
      "promote one that was trained without these rows, or go back with 'slmtune "
      "snapshots rollback'");
}

// What the store has of the rows besides its snapshots.
void forget_in_store(const fs::path& store, const std::vector<store::SoughtRow>& rows) {
  std::vector<data::RowDigest> keys;
  for (const store::SoughtRow& row : rows) keys.insert(keys.end(), row.begin(), row.end());
  data::delete_token_cache(store / "cache");
  const int64_t forgotten = data::forget_kept_rows(store / "replay", keys);
  if (forgotten > 0) log_info(fmt::format("{} rows are no longer kept for replay", forgotten));
}

}  // namespace

ExitCode run_snapshots_forget(const SnapshotsOptions& options, const Common& common) {
  const std::vector<store::SoughtRow> rows = sought_rows(options);
  const fs::path path = store_path(options);
  store::SnapshotStore store = store::SnapshotStore::open(path);
  store::RowSearch search = store::find_rows(store, rows);
  std::vector<int64_t> withdrawn;
  if (options.apply) forget_in_store(path, rows);
  if (options.apply && !search.seen.empty()) {
    std::vector<int64_t> numbers;
    for (const store::SeenRows& one : search.seen) numbers.push_back(one.info.number);
    withdrawn = store.withdraw(numbers, options.reason.empty() ? "forget" : options.reason);
    search = store::find_rows(store, rows);  // with the aliases and marks of now
  }
  if (common.json)
    print_search_json(path, rows.size(), search, withdrawn);
  else
    print_search(search, withdrawn);
  say_limits(search);
  if (options.apply) check_production(store, path);
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
