// snapshots list | show | diff: reading only.
#include <fmt/format.h>

#include "cli/output.h"
#include "cli/snapshots_cmd.h"
#include "core/text.h"
#include "store/snapshot_diff.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;
using store::SnapshotInfo;

std::string metric(const SnapshotInfo& info, const char* key, const char* form, double scale) {
  const OrderedJson& metrics = info.manifest.metrics;
  if (!metrics.contains(key) || !metrics[key].is_number()) return "–";
  return fmt::format(fmt::runtime(form), scale * metrics[key].get<double>());
}

// Aliases, and "withdrawn" when it is.
std::string marks(const SnapshotInfo& info) {
  std::vector<std::string> names = info.aliases;
  if (info.is_withdrawn) names.push_back("withdrawn");
  return joined(names);
}

OrderedJson info_json(const SnapshotInfo& info) {
  OrderedJson json = {{"number", info.number},
                      {"path", info.path.string()},
                      {"aliases", info.aliases},
                      {"withdrawn", info.is_withdrawn}};
  if (!info.problem.empty()) {
    json["problem"] = info.problem;
    return json;
  }
  const store::Manifest& m = info.manifest;
  json.update(OrderedJson{{"name", m.name},
                          {"created", m.created},
                          {"method", m.method},
                          {"parent", m.parent},
                          {"base", m.base_path},
                          {"version", m.program_version},
                          {"run", m.run},
                          {"hashes", m.hashes},
                          {"content", m.content},
                          {"metrics", m.metrics}});
  return json;
}

// What the journal tells about one snapshot, but for the taking of its number.
std::vector<store::JournalLine> moves_of(const store::SnapshotStore& store, int64_t number) {
  std::vector<store::JournalLine> moves;
  for (store::JournalLine& line : store.journal().lines)
    if (line.number == number && line.action != "claim") moves.push_back(std::move(line));
  return moves;
}

OrderedJson move_json(const store::JournalLine& line) {
  OrderedJson json = {
      {"time", line.time}, {"action", line.action}, {"user", line.user}, {"reason", line.reason}};
  if (!line.target.empty()) json["target"] = line.target;
  return json;
}

void print_info(const SnapshotInfo& info, const std::vector<store::JournalLine>& moves) {
  const store::Manifest& m = info.manifest;
  print_line(fmt::format(
      "{} #{}\n  path      {}\n  created   {} by slmtune {}\n  method    {}\n  base      {}",
      shown(m.name), info.number, info.path.string(), shown(m.created), shown(m.program_version),
      shown(m.method), shown(m.base_path, 300)));
  if (!m.parent.empty()) print_line("  parent    " + shown(m.parent, 300));
  if (!m.run.empty()) print_line("  run       " + shown(m.run));
  if (!marks(info).empty()) print_line("  aliases   " + marks(info));
  for (const auto& [key, value] : m.metrics.items())
    if (key != "schema") print_line(fmt::format("  {:<17} {}", shown(key), shown(value.dump())));
  print_line("files");
  for (const auto& [name, record] : m.files)
    print_line(fmt::format("  {:<28} {:>10}  {}", shown(name), human_bytes(record.bytes),
                           record.sha256.substr(0, 16)));
  print_line("moves");
  for (const store::JournalLine& line : moves)
    print_line(fmt::format("  {:<20}  {:<9}  {}{}{}", shown(line.time), shown(line.action),
                           shown(line.user),
                           line.target.empty() ? "" : ", target " + shown(line.target),
                           line.reason.empty() ? "" : ": " + shown(line.reason, 300)));
}

void print_differences(const char* title, const std::vector<store::Difference>& differences) {
  if (differences.empty()) return;
  print_line(title);
  auto value = [](const std::string& text) { return text.empty() ? "–" : shown(text, 60); };
  for (const store::Difference& one : differences)
    print_line(fmt::format("  {:<28} {}{} {}", shown(one.name, 60), value(one.left),
                           one.left == one.right ? "  =" : "  →", value(one.right)));
}

OrderedJson differences_json(const std::vector<store::Difference>& differences) {
  OrderedJson json = OrderedJson::array();
  auto value = [](const std::string& text) {
    return text.empty() ? OrderedJson() : OrderedJson(text);
  };
  for (const store::Difference& one : differences)
    json.push_back({{"name", one.name}, {"a", value(one.left)}, {"b", value(one.right)}});
  return json;
}

}  // namespace

ExitCode run_snapshots_list(const SnapshotsOptions& options, const Common& common) {
  const fs::path path = store_path(options);
  std::vector<SnapshotInfo> infos = store::SnapshotStore::open(path).list();
  if (common.json) {
    OrderedJson json = {
        {"schema", 1}, {"store", path.string()}, {"snapshots", OrderedJson::array()}};
    for (const SnapshotInfo& info : infos) json["snapshots"].push_back(info_json(info));
    print_json(json);
    return ExitCode::kDone;
  }
  print_line(fmt::format("{:>6}  {:<20}  {:<6}  {:>10}  {:>11}  {:>8}  {}", "number", "created",
                         "method", "valid loss", "exact match", "F1", "aliases"));
  for (const SnapshotInfo& info : infos) {
    std::string number = fmt::format("#{}", info.number);
    if (!info.problem.empty()) {
      print_line(fmt::format("{:>6}  damaged: {}", number, info.problem));
      continue;
    }
    print_line(fmt::format("{:>6}  {:<20}  {:<6}  {:>10}  {:>11}  {:>8}  {}", number,
                           shown(info.manifest.created), shown(info.manifest.method),
                           metric(info, "valid_loss", "{:.4f}", 1),
                           metric(info, "exact_match", "{:.1f} %", 100),
                           metric(info, "f1", "{:.1f} %", 100), marks(info)));
  }
  return ExitCode::kDone;
}

ExitCode run_snapshots_show(const SnapshotsOptions& options, const Common& common) {
  const SnapshotPlace place = place_of(options.snapshot, options);
  store::SnapshotStore store = store::SnapshotStore::open(place.store);
  SnapshotInfo info = store.show(store.number_of(place.reference));
  const std::vector<store::JournalLine> moves = moves_of(store, info.number);
  if (!common.json) {
    print_info(info, moves);
    return ExitCode::kDone;
  }
  OrderedJson json = {{"schema", 1}};
  json.update(info_json(info));
  json["files"] = OrderedJson::object();
  for (const auto& [name, record] : info.manifest.files)
    json["files"][name] = {{"sha256", record.sha256}, {"bytes", record.bytes}};
  json["moves"] = OrderedJson::array();
  for (const store::JournalLine& line : moves) json["moves"].push_back(move_json(line));
  print_json(json);
  return ExitCode::kDone;
}

ExitCode run_snapshots_diff(const SnapshotsOptions& options, const Common& common) {
  SnapshotInfo sides[2];
  for (int side = 0; side < 2; ++side) {
    const SnapshotPlace place = place_of(side ? options.other : options.snapshot, options);
    store::SnapshotStore store = store::SnapshotStore::open(place.store);
    sides[side] = store.show(store.number_of(place.reference));
  }
  const store::SnapshotDiff diff = store::diff_snapshots(sides[0].path, sides[1].path);
  if (common.json) {
    auto side = [&](int i) {
      return OrderedJson{{"number", sides[i].number}, {"path", sides[i].path.string()}};
    };
    print_json({{"schema", 1},
                {"a", side(0)},
                {"b", side(1)},
                {"same_content", diff.is_same_content},
                {"origin", differences_json(diff.origin)},
                {"settings", differences_json(diff.settings)},
                {"scores", differences_json(diff.scores)},
                {"files", differences_json(diff.files)}});
    return ExitCode::kDone;
  }
  print_line(fmt::format(
      "{} → {}: {}", sides[0].path.string(), sides[1].path.string(),
      diff.is_same_content ? "the same weights, tokenizer and model settings" : "other weights"));
  print_differences("origin", diff.origin);
  print_differences("recipe", diff.settings);
  print_differences("scores", diff.scores);
  print_differences("files", diff.files);
  return ExitCode::kDone;
}

}  // namespace slmtune::cli
