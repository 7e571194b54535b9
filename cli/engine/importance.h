// The importance matrix of an export (export/importance/): a file of llama.cpp's, or collected from
// what the exported model makes of held-out text.
//
//   auto importance = importance_of("auto", "out/faq.gguf", {model, rows});
//   write_gguf_model(parts, tokenizer, "q4_k_m", "out/faq.gguf", importance ? &*importance :
//   nullptr);
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "cli/engine/held_out.h"
#include "export/importance/importance_matrix.h"
#include "models/causal_lm.h"

namespace slmtune::cli {

// Rows that a matrix is collected on, at most: as many tokens as llama.cpp's users take.
inline constexpr int64_t kImportanceRows = 256;

// Where a matrix that is collected for the file `to` is kept: "out/faq.imatrix.gguf" for
// "out/faq.gguf".
std::filesystem::path importance_path(const std::filesystem::path& to);

// What collecting needs; asked for only then.
struct ImportanceInputs {
  std::function<models::CausalLM&()> model;  // what is exported, with its weights
  std::function<HeldOut()> rows;             // at most kImportanceRows
};

// `choice`: empty = none, "auto" = collected and written to importance_path(to), else a file that
// is read. F110 no matrix; errors of reading and writing files.
std::optional<exporting::ImportanceMatrix> importance_of(const std::string& choice,
                                                         const std::filesystem::path& to,
                                                         const ImportanceInputs& inputs);

// Every row goes through the model by itself. No gradient; adapters as they are set. StopRequested.
exporting::ImportanceMatrix collected_importance(models::CausalLM& model, const HeldOut& rows);

}  // namespace slmtune::cli
