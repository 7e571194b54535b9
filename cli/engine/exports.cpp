#include "cli/engine/exports.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/engine/export_lora.h"
#include "cli/engine/importance.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "export/verify/verify_file.h"
#include "lora/merge.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// Runtimes reserve memory for the whole context; what the model could take is often far more than a
// desktop has.
constexpr int64_t kServedContext = 8192;
constexpr std::string_view kRefusedCode = "F120";  // by verify_export

// The record in verify.json is the last that an export writes.
bool is_there(const ExportChoice& choice, const fs::path& to) {
  std::error_code error;
  if (choice.format == "hf") return fs::exists(to / "config.json", error);
  if (choice.to || !fs::exists(to, error)) return false;
  return !choice.verify || choice.format != "gguf" || exporting::read_verify_record(to);
}

// Of a file that is written for the first time; one that is there stays as its owner left it.
fs::path write_modelfile(const models::ModelConfig& config, const TextSide& text,
                         const fs::path& gguf) {
  fs::path modelfile = gguf.parent_path() / "Modelfile";
  if (fs::exists(modelfile)) {
    log_info("'" + modelfile.string() + "' is there already and stays as it is");
    return {};
  }
  const int64_t context = std::min(std::max<int64_t>(config.max_positions, 1), kServedContext);
  write_file(modelfile, exporting::modelfile(gguf.filename().string(), text.chat, context));
  return modelfile;
}

OrderedJson export_hf(const MergedModel& merged, const fs::path& to) {
  exporting::write_hf_folder(merged.parts, to);
  log_info("export: " + to.string());
  return {{"format", "hf"}, {"path", to.string()}};
}

// What several exports of one model share: it is asked once.
class ExportWork {
 public:
  explicit ExportWork(const ExportSource& source) : source_(source) {}

  OrderedJson gguf(const ExportChoice& choice, const fs::path& to) {
    GgufOrder order{choice.encoding, to};
    const auto importance =
        importance_of(choice.imatrix.value_or(""), to,
                      {source_.model, [&] { return source_.held_out(kImportanceRows); }});
    if (importance) order.importance = &*importance;
    if (choice.verify) order.trained = &trained();
    order.limits = limits_of(choice);
    const GgufExport done = export_gguf(source_.merged(), source_.text(), order);
    say_export(done, choice.encoding);
    OrderedJson json = export_json(done, choice.encoding);
    if (json.contains("verify")) json["verify"]["tensors"].erase("table");
    return json;
  }

 private:
  const TrainedAnswers& trained() {
    if (!trained_)
      trained_ = ask_trained(source_.model(), source_.held_out(kVerifyPrompts),
                             source_.text().tokenizer, source_json(source_.origin));
    return *trained_;
  }

  const ExportSource& source_;
  std::optional<TrainedAnswers> trained_;
};

}  // namespace

fs::path export_path(const Recipe& recipe, int64_t number, const ExportChoice& choice) {
  if (choice.to) return *choice.to;
  const fs::path folder = recipe.store / "exports" / fmt::format("{:04}", number);
  if (choice.format == "hf") return folder / "hf";
  return folder /
         (recipe.name + "-" + (choice.format == "gguf-lora" ? "LoRA" : choice.encoding) + ".gguf");
}

MergedModel merged_model(models::CausalLM& model, const fs::path& weights_folder,
                         const fs::path& folder, const std::string& name) {
  auto weights = std::make_unique<TensorFolder>(TensorFolder::open(weights_folder));
  std::vector<TensorSource> tensors = lora::merged_tensors(model, *weights);
  if (model.config().stored_quant != "none")
    log_info("export: the base '" + weights_folder.string() +
             "' is stored in 4 bits, so the merged weights are as exact as those, though each is "
             "written out in full");
  return {std::move(weights), {model.config(), std::move(tensors), folder, name}};
}

GgufExport export_gguf(const MergedModel& merged, const TextSide& text, const GgufOrder& order) {
  exporting::UnverifiedGguf written = exporting::write_unverified_gguf(
      merged.parts, text.tokenizer, order.encoding, order.to, order.importance);
  written.file->hold();
  GgufExport done;
  if (order.trained)
    done.verified = verify_export(*order.trained, written, order.encoding, order.limits);
  else
    exporting::drop_verify_record(order.to);
  written.file->publish();
  done.report = std::move(written.report);
  done.modelfile = write_modelfile(merged.parts.config, text, order.to);
  if (order.trained) exporting::write_verify_record(folder_of(order.to), done.verified);
  return done;
}

std::string snapshot_label(const Recipe& recipe, int64_t number) {
  return fmt::format("{}#{}", recipe.store.string(), number);
}

OrderedJson make_exports(const Recipe& recipe, int64_t number, const ExportSource& source,
                         bool keep) {
  OrderedJson made = OrderedJson::array();
  std::vector<Diagnostic> refused;
  ExportWork work(source);
  for (const ExportChoice& choice : recipe.exports) {
    const fs::path to = export_path(recipe, number, choice);
    if (keep && is_there(choice, to)) {
      log_info("export: " + to.string() + " is there already");
      made.push_back({{"format", choice.format}, {"path", to.string()}});
    } else if (choice.format == "hf") {
      made.push_back(export_hf(source.merged(), to));
    } else if (choice.format == "gguf-lora") {
      made.push_back(export_gguf_lora(source.origin, recipe.name, to));
    } else {
      try {
        made.push_back(work.gguf(choice, to));
      } catch (const Error& error) {
        if (error.code() != kRefusedCode) throw;
        refused.push_back(error.diagnostics().front());
      }
    }
  }
  if (!refused.empty()) throw FileFormatError(std::move(refused));
  return made;
}

OrderedJson export_json(const GgufExport& done, const std::string& encoding) {
  const exporting::GgufReport& report = done.report;
  OrderedJson json = {
      {"format", "gguf"},      {"encoding", encoding},      {"path", report.path.string()},
      {"bytes", report.bytes}, {"tensors", report.tensors}, {"worst_error", report.worst_error}};
  if (!done.modelfile.empty()) json["modelfile"] = done.modelfile.string();
  if (!done.verified.is_null()) json["verify"] = done.verified;
  return json;
}

void say_export(const GgufExport& done, const std::string& encoding) {
  const exporting::GgufReport& report = done.report;
  log_info(fmt::format("export: {} ({}, {}, {} tensors, read back with a worst error of {:.2g})",
                       report.path.string(), encoding, human_bytes(report.bytes), report.tensors,
                       report.worst_error));
}

}  // namespace slmtune::cli
