// A trained or merged model as a file or folder for other programs; shared by train, export and
// merge.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "cli/engine/held_out.h"
#include "cli/engine/model_source.h"
#include "cli/engine/verify.h"
#include "cli/recipe.h"
#include "core/json.h"
#include "export/export.h"

namespace slmtune::cli {

// Final tensors that borrow from `weights`; keep both and the model together.
struct MergedModel {
  std::unique_ptr<TensorFolder> weights;
  exporting::ModelParts parts;
};

// The weights of `weights_folder` with the adapters of `model` merged. `folder` has config.json and
// tokenizer files.
MergedModel merged_model(models::CausalLM& model, const std::filesystem::path& weights_folder,
                         const std::filesystem::path& folder, const std::string& name);

struct GgufOrder {
  std::string encoding;
  std::filesystem::path to;
  const exporting::ImportanceMatrix* importance = nullptr;
  const TrainedAnswers* trained =
      nullptr;  // what the written model is compared with; null: nothing
  exporting::VerifyLimits limits = {};
};

struct GgufExport {
  exporting::GgufReport report;
  std::filesystem::path modelfile;  // empty when there was one already
  OrderedJson verified;             // the record of verify.json; null when nothing was compared
};

// Where an export of the recipe for snapshot `number` goes.
std::filesystem::path export_path(const Recipe& recipe, int64_t number, const ExportChoice& choice);

// Writes the GGUF file (replacing one of that name, once the new one has passed all checks), a
// Modelfile and its record in verify.json beside it. Errors of write_unverified_gguf and
// verify_export.
GgufExport export_gguf(const MergedModel& merged, const TextSide& text, const GgufOrder& order);

// How people name a snapshot of the recipe: "runs/faq#3".
std::string snapshot_label(const Recipe& recipe, int64_t number);

// What the exports of a recipe are made from; asked for when one is to be made.
struct ExportSource {
  std::function<MergedModel()> merged;
  std::function<const TextSide&()> text;
  std::function<models::CausalLM&()> model;  // with its weights, not training
  std::function<HeldOut(int64_t count)> held_out;
  ModelSource origin;  // the snapshot
};

// Exports of the recipe for snapshot `number`, in order; what was made, for summary and --json.
// With `keep` those that are there already stay: made by a run that was stopped later. One with a
// path of its own may be an older snapshot's; a file is made again, a folder stays. One that is
// refused does not keep the others from being made: F120 for all of them at the end.
OrderedJson make_exports(const Recipe& recipe, int64_t number, const ExportSource& source,
                         bool keep);

OrderedJson export_json(const GgufExport& done, const std::string& encoding);
void say_export(const GgufExport& done, const std::string& encoding);

}  // namespace slmtune::cli
