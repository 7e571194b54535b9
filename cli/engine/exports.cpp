#include "cli/engine/exports.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/atomic_file.h"
#include "core/log.h"
#include "core/text.h"
#include "lora/merge.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// Runtimes reserve memory for the whole context; what the model could take is often far more than a
// desktop has.
constexpr int64_t kServedContext = 8192;

bool is_there(const ExportChoice& choice, const fs::path& to) {
  std::error_code error;
  if (choice.format == "hf") return fs::exists(to / "config.json", error);
  return !choice.to && fs::exists(to, error);
}

OrderedJson export_hf(const MergedModel& merged, const fs::path& to) {
  exporting::write_hf_folder(merged.parts, to);
  log_info("export: " + to.string());
  return {{"format", "hf"}, {"path", to.string()}};
}

}  // namespace

fs::path export_path(const Recipe& recipe, int64_t number, const ExportChoice& choice) {
  if (choice.to) return *choice.to;
  const fs::path folder = recipe.store / "exports" / fmt::format("{:04}", number);
  return folder / (choice.format == "hf" ? "hf" : recipe.name + "-" + choice.encoding + ".gguf");
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

GgufExport export_gguf(const MergedModel& merged, const TextSide& text, const std::string& encoding,
                       const fs::path& to) {
  exporting::check_gguf(merged.parts.config, merged.parts.folder);
  GgufExport done{exporting::write_gguf_model(merged.parts, text.tokenizer, encoding, to), {}};
  fs::path modelfile = to.parent_path() / "Modelfile";
  if (fs::exists(modelfile)) {
    log_info("'" + modelfile.string() + "' is there already and stays as it is");
    return done;
  }
  int64_t context =
      std::min(std::max<int64_t>(merged.parts.config.max_positions, 1), kServedContext);
  write_file(modelfile, exporting::modelfile(to.filename().string(), text.chat, context));
  done.modelfile = modelfile;
  return done;
}

OrderedJson make_exports(const Recipe& recipe, int64_t number, const ExportSource& source,
                         bool keep) {
  OrderedJson made = OrderedJson::array();
  for (const ExportChoice& choice : recipe.exports) {
    const fs::path to = export_path(recipe, number, choice);
    if (keep && is_there(choice, to)) {
      log_info("export: " + to.string() + " is there already");
      made.push_back({{"format", choice.format}, {"path", to.string()}});
    } else if (choice.format == "hf") {
      made.push_back(export_hf(source.merged(), to));
    } else {
      GgufExport done = export_gguf(source.merged(), source.text(), choice.encoding, to);
      say_export(done, choice.encoding);
      made.push_back(export_json(done, choice.encoding));
    }
  }
  return made;
}

OrderedJson export_json(const GgufExport& done, const std::string& encoding) {
  const exporting::GgufReport& report = done.report;
  OrderedJson json = {
      {"format", "gguf"},      {"encoding", encoding},      {"path", report.path.string()},
      {"bytes", report.bytes}, {"tensors", report.tensors}, {"worst_error", report.worst_error}};
  if (!done.modelfile.empty()) json["modelfile"] = done.modelfile.string();
  return json;
}

void say_export(const GgufExport& done, const std::string& encoding) {
  const exporting::GgufReport& report = done.report;
  log_info(fmt::format("export: {} ({}, {}, {} tensors, read back with a worst error of {:.2g})",
                       report.path.string(), encoding, human_bytes(report.bytes), report.tensors,
                       report.worst_error));
}

}  // namespace slmtune::cli
