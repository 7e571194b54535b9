#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "core/error.h"
#include "core/text.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;
using store::SnapshotInfo;

struct SnapshotsOptions {
  std::string store;     // of list
  std::string snapshot;  // of show
  std::string store_flag;
};

std::string metric(const SnapshotInfo& info, const char* key, const char* form, double scale) {
  const OrderedJson& metrics = info.manifest.metrics;
  if (!metrics.contains(key) || !metrics[key].is_number()) return "–";
  return fmt::format(fmt::runtime(form), scale * metrics[key].get<double>());
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

OrderedJson info_json(const SnapshotInfo& info) {
  OrderedJson json = {
      {"number", info.number}, {"path", info.path.string()}, {"aliases", info.aliases}};
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
                          {"hashes", m.hashes},
                          {"metrics", m.metrics}});
  return json;
}

ExitCode run_list(const SnapshotsOptions& options, const Common& common) {
  std::string path = !options.store.empty()        ? options.store
                     : !options.store_flag.empty() ? options.store_flag
                                                   : ".";
  std::vector<SnapshotInfo> infos = store::SnapshotStore::open(path).list();
  if (common.json) {
    OrderedJson json = {{"schema", 1}, {"store", path}, {"snapshots", OrderedJson::array()}};
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
                           info.manifest.created, info.manifest.method,
                           metric(info, "valid_loss", "{:.4f}", 1),
                           metric(info, "exact_match", "{:.1f} %", 100),
                           metric(info, "f1", "{:.1f} %", 100), joined(info.aliases)));
  }
  return ExitCode::kDone;
}

// The store and the number or alias in it that the command line names.
std::pair<fs::path, std::string> split_reference(const SnapshotsOptions& options) {
  size_t hash = options.snapshot.rfind('#');
  if (hash != std::string::npos && hash > 0)
    return {options.snapshot.substr(0, hash), options.snapshot.substr(hash)};
  fs::path folder = options.snapshot;
  if (fs::exists(folder / "manifest.json")) {
    fs::path absolute = fs::canonical(folder);
    return {absolute.parent_path().parent_path(),
            "#" + std::to_string(store::read_manifest(folder).number)};
  }
  return {options.store_flag.empty() ? "." : options.store_flag, options.snapshot};
}

void print_info(const SnapshotInfo& info) {
  const store::Manifest& m = info.manifest;
  print_line(fmt::format(
      "{} #{}\n  path      {}\n  created   {} by slmtune {}\n  method    {}\n  base      {}",
      m.name, info.number, info.path.string(), m.created, m.program_version, m.method,
      m.base_path));
  if (!m.parent.empty()) print_line("  parent    " + m.parent);
  if (!info.aliases.empty()) print_line("  aliases   " + joined(info.aliases));
  for (const auto& [key, value] : m.metrics.items())
    if (key != "schema") print_line(fmt::format("  {:<17} {}", key, value.dump()));
  print_line("files");
  for (const auto& [name, record] : m.files)
    print_line(fmt::format("  {:<28} {:>10}  {}", name, human_bytes(record.bytes),
                           record.sha256.substr(0, 16)));
}

ExitCode run_show(const SnapshotsOptions& options, const Common& common) {
  auto [path, reference] = split_reference(options);
  store::SnapshotStore store = store::SnapshotStore::open(path);
  SnapshotInfo info = store.show(store.number_of(reference));
  if (!common.json) {
    print_info(info);
    return ExitCode::kDone;
  }
  OrderedJson json = {{"schema", 1}};
  json.update(info_json(info));
  json["files"] = OrderedJson::object();
  for (const auto& [name, record] : info.manifest.files)
    json["files"][name] = {{"sha256", record.sha256}, {"bytes", record.bytes}};
  print_json(json);
  return ExitCode::kDone;
}

}  // namespace

void setup_snapshots(CLI::App& app, Program& program) {
  auto options = std::make_shared<SnapshotsOptions>();
  CLI::App* group =
      app.add_subcommand("snapshots", "what a store holds: list, show")->require_subcommand(1);
  group->footer("Example:\n  slmtune snapshots list runs/faq");
  CLI::App* list = group->add_subcommand("list", "one line per snapshot");
  list->add_option("STORE", options->store, "folder of the store (default: the folder you are in)");
  list->add_option("--store", options->store_flag, "the same as STORE");
  finish_command(*list, program, "slmtune snapshots list runs/faq");
  list->callback([options, &program] {
    program.run = [options, &program] { return run_list(*options, program.common); };
  });
  CLI::App* show = group->add_subcommand("show", "origin, scores and files of one snapshot");
  show->add_option("SNAPSHOT", options->snapshot, "STORE#42, STORE#latest, or #42 inside a store")
      ->required();
  show->add_option("--store", options->store_flag,
                   "store that a bare #42 belongs to (default: the folder you are in)");
  finish_command(*show, program, "slmtune snapshots show runs/faq#latest");
  show->callback([options, &program] {
    program.run = [options, &program] { return run_show(*options, program.common); };
  });
}

}  // namespace slmtune::cli
