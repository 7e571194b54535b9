// slmtune deploy: hands a snapshot to a server or a folder, or takes it back (ops/deploy/).
#include <fmt/format.h>

#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/recipe.h"
#include "cli/signals.h"
#include "cli/snapshots_cmd.h"
#include "core/error.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/text.h"
#include "export/gguf/gguf.h"
#include "export/verify/verify_file.h"
#include "ops/deploy/deploy.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

struct DeployOptions {
  std::string snapshot, target, kind, reason;
  std::vector<std::string> settings;
  bool rollback = false, verify = false, dry_run = false;
};

struct Chosen {
  fs::path store;
  int64_t number = 0;  // 0 = what the target serves
};

Chosen choose(const DeployOptions& options) {
  const bool needs_none = options.rollback || options.verify;
  const std::string& text = options.snapshot;
  if (text.empty() ||
      (text.find('#') == std::string::npos && fs::is_directory(fs::path(text) / "snapshots"))) {
    if (!needs_none)
      throw UserError("U003", "slmtune", "SNAPSHOT is required",
                      "name it as STORE#42 or STORE#production");
    const fs::path store = text.empty() ? fs::path(".") : fs::path(text);
    store::SnapshotStore::open(store);
    return {store, 0};
  }
  const SnapshotPlace place = place_of(text, {});
  return {place.store, store::SnapshotStore::open(place.store).number_of(place.reference)};
}

// A snapshot as deploying needs it; nothing where it was removed since.
class DeployedSnapshot {
 public:
  DeployedSnapshot(const fs::path& store, int64_t number)
      : folder_(store::SnapshotStore::open(store).folder(number)) {
    if (fs::exists(folder_ / store::kManifestName)) manifest_ = store::read_manifest(folder_);
    const fs::path recipe = folder_ / "recipe.yaml";
    if (manifest_ && fs::exists(recipe)) recipe_ = read_kept_recipe(recipe);
  }

  bool is_there() const { return manifest_.has_value(); }
  std::string name() const { return manifest_ ? manifest_->name : ""; }
  const fs::path& folder() const { return folder_; }

  // Where training took config, tokenizer and template from.
  fs::path text_folder() const {
    const fs::path base = manifest_->base_path;
    return manifest_->method == "full" || !fs::exists(base / "config.json") ? folder_ : base;
  }

  // Training's own; null for a model that has none.
  const data::ChatTemplate* chat() const {
    if (recipe_ && recipe_->model.chat_template)
      return &data::ChatTemplate::by_name(*recipe_->model.chat_template);
    try {
      return &data::ChatTemplate::detect(text_folder());
    } catch (const Error& error) {
      if (error.code() != "F040" && error.code() != "F041") throw;
      return nullptr;
    }
  }

  int64_t longest_context() const {
    const fs::path config = text_folder() / "config.json";
    if (!fs::exists(config)) return 0;
    const Json json = read_json(config);
    const Json value = json.is_object() ? json.value("max_position_embeddings", Json()) : Json();
    return value.is_number_integer() ? value.get<int64_t>() : 0;
  }

  std::string encoding(const std::string& wanted) const {
    if (wanted != "auto") return wanted;
    if (recipe_)
      for (const ExportChoice& choice : recipe_->exports)
        if (choice.format == "gguf") return choice.encoding;
    return "q8_0";
  }

 private:
  fs::path folder_;
  std::optional<store::Manifest> manifest_;
  std::optional<Recipe> recipe_;
};

// An export that is whole; none, with a warning, where a reader refuses it or its bytes are not
// those that were verified.
std::optional<ops::HandedFile> whole_export(const fs::path& file) {
  std::string damage = "its bytes are not those that were verified";
  try {
    exporting::GgufFile::open(file);
    const auto record = exporting::read_verify_record(file);
    const std::string sha256 = sha256_file(file);
    if (!record || record->value("sha256", "") == sha256) return ops::HandedFile{file, sha256};
  } catch (const FileFormatError& error) {
    damage = error.diagnostics().front().what;
  }
  log_warning("deploy: '" + file.string() + "' is made again: " + damage);
  return std::nullopt;
}

// The export that training or an earlier deploy has made, else a new one. A file of the recipe that
// goes elsewhere ('to') may be another snapshot's by now, so it is never taken.
ops::HandedFile exported_file(const ops::DeployWork& work, int64_t number, bool is_adapter,
                              bool anew) {
  const DeployedSnapshot snapshot(work.store, number);
  const std::string encoding = is_adapter ? "lora" : snapshot.encoding(work.target.encoding);
  const fs::path file = work.store / "exports" / fmt::format("{:04}", number) /
                        (snapshot.name() + "-" + encoding + ".gguf");
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    if (!anew)
      if (auto whole = whole_export(file)) return *whole;
    fs::remove(file);
  }
  log_info(fmt::format("deploy: #{} is exported as {} now", number, encoding));
  ExportOptions options;
  options.model = snapshot.folder().string();
  options.format = is_adapter ? "gguf-lora" : "gguf";
  if (!is_adapter) options.encoding = encoding;
  options.to = file.string();
  engine().export_file(options);
  return {file, sha256_file(file)};
}

ops::DeployWork work_of(const DeployOptions& options, const Chosen& chosen,
                        const Program& program) {
  ops::DeployWork work;
  work.store = chosen.store;
  work.number = chosen.number;
  work.reason = options.reason;
  work.command = program.line;
  work.thorough = options.verify;
  work.dry_run = options.dry_run;
  work.target = ops::read_target(chosen.store, options.target, options.kind, options.settings);
  return work;
}

// The functions read `work`, which outlives them.
void add_sources(ops::DeployWork& work) {
  work.context_of = [&work](int64_t number) {
    const DeployedSnapshot snapshot(work.store, number);
    ops::PlaceContext context;
    context.model = work.target.model.value_or(snapshot.name());
    if (!snapshot.is_there()) return context;
    context.chat = snapshot.chat();
    context.longest_context = snapshot.longest_context();
    return context;
  };
  work.file_of = [&work](int64_t number, bool is_adapter, bool anew) {
    return exported_file(work, number, is_adapter, anew);
  };
  work.probe_of = [&work](int64_t number) {
    const DeployedSnapshot snapshot(work.store, number);
    if (!snapshot.is_there()) return ops::Probe{};
    return ops::make_probe(data::Tokenizer::load(snapshot.text_folder()), snapshot.chat());
  };
}

OrderedJson report_json(const ops::DeployWork& work, const ops::DeployReport& report) {
  const auto number = [](int64_t value) { return value ? OrderedJson(value) : OrderedJson(); };
  OrderedJson json = {{"schema", 1},
                      {"store", work.store.string()},
                      {"target", work.target.name},
                      {"kind", work.target.kind},
                      {"dry_run", work.dry_run},
                      {"number", report.number},
                      {"from", number(report.from)},
                      {"changed", report.changed}};
  if (work.dry_run) return json;
  json["repaired"] = report.repaired.empty() ? OrderedJson() : OrderedJson(report.repaired);
  json["where"] = report.where;
  json["name"] = report.model.name;
  json["file"] = report.model.file.string();
  json["sha256"] = report.model.sha256;
  json["bytes"] = report.model.bytes;
  json["adapter"] = report.model.is_adapter;
  if (report.model.pid) json["pid"] = report.model.pid;
  if (report.model.port) json["port"] = report.model.port;
  if (report.probe.was_asked)
    json["probe"] = {{"prompts", report.probe.prompts},
                     {"equal", report.probe.equal},
                     {"compared", report.probe.by_count ? "token counts" : "token ids"}};
  if (report.gap_seconds) json["gap_seconds"] = *report.gap_seconds;
  json["seconds"] = report.seconds;
  return json;
}

void say(const ops::DeployWork& work, const ops::DeployReport& report) {
  if (report.probe.was_asked)
    log_info(fmt::format("deploy: {} of {} probe chats become the same {} as in training",
                         report.probe.equal, report.probe.prompts,
                         report.probe.by_count ? "number of tokens" : "tokens"));
  else if (report.changed && report.model.bytes)
    log_info("deploy: no server was asked, so nobody has tried the model there");
  if (report.gap_seconds)
    log_info(fmt::format("deploy: nobody was served for at most {:.1f} s", *report.gap_seconds));
  std::string text = work.target.name + ": ";
  if (work.dry_run)
    text += fmt::format("#{} would be brought", report.number);
  else
    text += fmt::format("#{} serves", report.number);
  if (!report.changed)
    text += ", as before";
  else if (report.from == report.number)
    text += ", brought again";
  else
    text += report.from ? fmt::format(" (was #{})", report.from) : " (was nothing)";
  print_line(report.where.empty() ? text : text + ": " + report.where);
}

void check_options(const DeployOptions& options) {
  if (options.rollback && options.verify)
    throw UserError("U006", "slmtune", "--rollback and --verify exclude each other",
                    "leave one of them out");
}

ExitCode run(const DeployOptions& options, const Program& program) {
  check_options(options);
  const Chosen chosen = choose(options);
  ops::DeployWork work = work_of(options, chosen, program);
  add_sources(work);
  const StopSignals handlers;
  const ops::DeployReport report = options.rollback ? ops::roll_back(work) : ops::deploy(work);
  if (program.common.json)
    print_json(report_json(work, report));
  else
    say(work, report);
  return ExitCode::kDone;
}

}  // namespace

void setup_deploy(CLI::App& app, Program& program) {
  auto options = std::make_shared<DeployOptions>();
  CLI::App* command = app.add_subcommand(
      "deploy", "hand a snapshot to Ollama, llama-server, LM Studio or a folder");
  command->add_option("SNAPSHOT", options->snapshot,
                      "STORE#42, STORE#production, or #42 inside a store; with --rollback and "
                      "--verify the store alone will do (default then: the folder you are in)");
  command
      ->add_option("--target", options->target,
                   "name of the target, which the store's deploy/NAME.yaml describes")
      ->required();
  command
      ->add_option("--kind", options->kind,
                   "of a new target: folder, llama-server, ollama or lmstudio (default: as its "
                   "file says)")
      ->check(one_of({"folder", "llama-server", "ollama", "lmstudio"}));
  command
      ->add_option("--set", options->settings,
                   "key=value of a new target, e.g. port=8080; may be repeated (default: none)")
      ->take_all()
      ->allow_extra_args(false);
  command->add_flag("--rollback", options->rollback,
                    "put back what the target served before (off by default)");
  command->add_flag("--verify", options->verify,
                    "compare every byte that can be reached, probe again, and bring again what is "
                    "missing or changed (off by default)");
  command->add_flag("--dry-run", options->dry_run,
                    "say what would change, touch nothing and ask nobody (off by default)");
  command->add_option("--reason", options->reason,
                      "why, for the journal: --reason 'monthly model' (default: none)");
  finish_command(*command, program,
                 "slmtune deploy runs/faq#latest --target office --kind folder --set "
                 "path=/srv/models");
  command->callback([options, &program] {
    program.run = [options, &program] { return run(*options, program); };
  });
}

}  // namespace slmtune::cli
