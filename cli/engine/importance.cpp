#include "cli/engine/importance.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "export/gguf/gguf_tensors.h"
#include "models/families/family.h"
#include "models/input_squares.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kChunkTokens = 512;  // llama.cpp's usual chunk, in which files count text

at::Tensor ids_of(const eval::AgreementRow& row, at::Device device) {
  return at::from_blob(const_cast<int32_t*>(row.ids.data()), {static_cast<int64_t>(row.ids.size())},
                       at::kInt)
      .to(device, at::kLong);
}

exporting::ImportanceMatrix::Entry entry_of(const models::InputSquares::Columns& columns) {
  const at::Tensor sums = columns.sums.to(at::kCPU, at::kFloat).contiguous();
  const float* first = sums.const_data_ptr<float>();
  return {{first, first + sums.numel()}, static_cast<double>(columns.rows)};
}

}  // namespace

fs::path importance_path(const fs::path& to) {
  return folder_of(to) / (to.stem().string() + ".imatrix.gguf");
}

exporting::ImportanceMatrix collected_importance(models::CausalLM& model, const HeldOut& rows) {
  const at::NoGradGuard no_gradients;
  const models::GgufFacts& facts = models::find_family(model.config().architecture)->gguf;
  exporting::ImportanceMatrix matrix;
  matrix.datasets = {rows.from};
  matrix.chunk_tokens = kChunkTokens;
  const models::InputSquares squares(model);
  ProgressLine progress;
  int64_t tokens = 0, done = 0;
  for (const eval::AgreementRow& row : rows.rows) {
    check_stop();
    const auto count = static_cast<int64_t>(row.ids.size());
    model.hidden(ids_of(row, model.device), models::Layout::single(count).on(model.device));
    tokens += count;
    progress.show(fmt::format("importance: {} of {} rows", ++done, rows.rows.size()));
  }
  for (const auto& [module, columns] : squares.columns()) {
    const auto name = exporting::gguf_name(facts, module + ".weight");
    SLMTUNE_ASSERT(name.has_value(), "a linear layer without a GGUF name");
    matrix.entries[*name] = entry_of(columns);
  }
  matrix.chunks = static_cast<uint32_t>((tokens + kChunkTokens - 1) / kChunkTokens);
  log_info(fmt::format("importance: {} matrices, {} rows with {} tokens of {}",
                       matrix.entries.size(), rows.rows.size(), tokens, rows.from));
  return matrix;
}

std::optional<exporting::ImportanceMatrix> importance_of(const std::string& choice,
                                                         const fs::path& to,
                                                         const ImportanceInputs& inputs) {
  if (choice.empty()) return std::nullopt;
  if (choice != "auto") return exporting::read_importance(choice);
  exporting::ImportanceMatrix matrix = collected_importance(inputs.model(), inputs.rows());
  make_folder(folder_of(to));
  exporting::write_importance(matrix, importance_path(to));
  return matrix;
}

}  // namespace slmtune::cli
