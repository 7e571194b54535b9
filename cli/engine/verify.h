// --verify: a written GGUF file is read again as a server would, and answers beside the trained
// model before anybody can see it.
//
//   const TrainedAnswers trained = ask_trained(*model, held_out, tokenizer, source);
//   model.reset();
//   exporting::UnverifiedGguf written = …;
//   const OrderedJson record = verify_export(trained, written, "q4_k_m", limits);   // F120
//   written.file->publish();
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/engine/held_out.h"
#include "cli/engine/model_source.h"
#include "cli/recipe.h"
#include "core/json.h"
#include "eval/agreement.h"
#include "export/export.h"
#include "export/verify/verify_limits.h"

namespace slmtune::cli {

inline constexpr int64_t kVerifyPrompts = 16;

// What a trained model says, for as many written files as are compared with it.
struct TrainedAnswers {
  eval::Testimony said;
  std::string from;                // of the held-out rows
  OrderedJson source;              // the model, for verify.json
  models::LoadOptions options;     // of the copies: as the model itself, but on the CPU
  std::vector<std::string> texts;  // rows, for the tokenizer of the file
  std::vector<std::vector<int32_t>> text_ids;
  double seconds = 0.0;
};

// `model` answers as it is set: without dropout. Says nothing of the rows' text.
TrainedAnswers ask_trained(models::CausalLM& model, const HeldOut& rows,
                           const data::Tokenizer& tokenizer, OrderedJson source);

// The model with its weights, for asking it. Without a `flags.dtype` it is computed in float32
// where that is usual on the device and fits into memory, else in bfloat16.
LoadedModel load_to_ask(const ModelSource& source, DeviceFlags flags);

// What verify.json tells about the origin of an export.
OrderedJson source_json(const ModelSource& source);

// The folder with the recipe that it was trained with: the snapshot, or that of the adapter.
std::optional<std::filesystem::path> trained_in(const ModelSource& source);

// The limits of `choice`; those of the encoding where it has none.
exporting::VerifyLimits limits_of(const ExportChoice& choice);

// The export of `encoding` in the recipe that the source was trained with; else one without limits.
ExportChoice export_in_recipe(const ModelSource& source, const std::string& encoding);

// The file's record for verify.json, which is said as a short table, too. F120 beyond the limits;
// whatever reading the file again finds (F013, F09x, F10x).
OrderedJson verify_export(const TrainedAnswers& trained, const exporting::UnverifiedGguf& written,
                          const std::string& encoding, const exporting::VerifyLimits& limits);

}  // namespace slmtune::cli
