#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "export/export.h"
#include "export/gguf/gguf.h"
#include "export/gguf/gguf_metadata.h"
#include "export/gguf/gguf_stream.h"
#include "export/gguf/gguf_tensors.h"
#include "export/gguf/unverified_file.h"
#include "export/gguf/written_check.h"
#include "export/importance/importance_matrix.h"
#include "export/mixtures/mixture.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

const Mixture& mixture_or_throw(const std::string& name) {
  if (const Mixture* mixture = find_mixture(name)) return *mixture;
  throw UserError("R070", "", "unknown encoding '" + shown(name) + "'",
                  "use " + quoted_list(mixture_names()));
}

// Rows of the embedding; an untied head must have as many.
int64_t vocabulary_rows(const ModelParts& parts, const std::vector<PlannedTensor>& plan) {
  int64_t embedding = 0, head = 0;
  for (const PlannedTensor& planned : plan) {
    if (planned.name == "token_embd.weight") embedding = planned.source.shape.front();
    if (planned.name == "output.weight") head = planned.source.shape.front();
  }
  if (head != 0 && head != embedding)
    throw FileFormatError("F094", parts.folder.string(),
                          "the embedding has " + std::to_string(embedding) +
                              " rows but the head has " + std::to_string(head),
                          "GGUF needs the same number of rows in both");
  return embedding;
}

struct FilePlan {
  std::vector<PlannedTensor> tensors;
  GgufMetadata metadata;
  std::list<std::vector<float>> importance;  // what tensors[i].importance points to
};

FilePlan plan_file(const ModelParts& parts, const data::Tokenizer& tokenizer,
                   const Mixture& mixture, const ImportanceMatrix* importance) {
  const models::GgufFacts& facts = models::find_family(parts.config.architecture)->gguf;
  FilePlan file{plan_tensors(parts, facts, mixture, importance != nullptr), {}, {}};
  const int64_t rows = vocabulary_rows(parts, file.tensors);
  file.metadata = model_metadata(parts, facts, mixture.file_type, rows);
  for (auto& entry : tokenizer_metadata(parts, tokenizer, rows))
    file.metadata.push_back(std::move(entry));
  if (importance == nullptr) return file;
  for (auto& entry : importance->file_keys()) file.metadata.push_back(std::move(entry));
  for (PlannedTensor& planned : file.tensors) {
    if (planned.encoding->block == 1) continue;
    file.importance.push_back(importance->columns_of(planned.name, planned.source.shape.back()));
    planned.importance = file.importance.back();
  }
  return file;
}

// GGUF names of the tensors that could not have the mixture's encoding, by what they have instead.
std::map<std::string, std::vector<std::string>> fallbacks_of(
    const std::vector<PlannedTensor>& plan) {
  std::map<std::string, std::vector<std::string>> fallbacks;
  for (const PlannedTensor& planned : plan)
    if (planned.fell_back) fallbacks[std::string(planned.encoding->name)].push_back(planned.name);
  return fallbacks;
}

uint64_t bytes_of(const FilePlan& plan) {
  std::vector<GgufTensorSource> tensors;
  for (const PlannedTensor& planned : plan.tensors) tensors.push_back({table_entry(planned), {}});
  return gguf_file_bytes(plan.metadata, tensors);
}

// A line for exports that take longer than a second.
class ExportProgress {
 public:
  explicit ExportProgress(uint64_t bytes) : expected_(static_cast<double>(bytes)) {}
  void add(uint64_t bytes) {
    done_ += static_cast<double>(bytes);
    const double seconds = now_seconds() - start_;
    if (seconds < 1.0) return;
    line_.show(fmt::format("export: {:.0f} % of {}, {:.0f} s", 100.0 * done_ / expected_,
                           human_bytes(static_cast<uint64_t>(expected_)), seconds));
  }

 private:
  ProgressLine line_;
  double start_ = now_seconds(), expected_, done_ = 0.0;
};

std::vector<WrittenTensor> write_streamed(const FilePlan& plan, uint64_t bytes,
                                          const fs::path& path) {
  EncodedStream stream(plan.tensors);
  ExportProgress progress(bytes);
  std::vector<GgufTensorSource> tensors;
  for (size_t i = 0; i < plan.tensors.size(); ++i)
    tensors.push_back({table_entry(plan.tensors[i]), [&stream, &progress, i](const auto& write) {
                         stream.write(i, [&](std::span<const std::byte> part) {
                           write(part);
                           progress.add(part.size());
                         });
                       }});
  write_gguf(path, plan.metadata, tensors);
  return stream.written();
}

GgufReport report_of(const FilePlan& plan, const Mixture& mixture, const fs::path& to) {
  GgufReport report;
  report.path = to;
  report.bytes = bytes_of(plan);
  report.tensors = static_cast<int64_t>(plan.tensors.size());
  report.fallbacks = fallbacks_of(plan.tensors);
  for (const auto& [name, tensors] : report.fallbacks)
    log_info(fmt::format("{} tensors are stored as {}: their rows do not divide into {} blocks",
                         tensors.size(), name, mixture.base));
  return report;
}

}  // namespace

uint64_t gguf_model_bytes(const ModelParts& parts, const data::Tokenizer& tokenizer,
                          const std::string& encoding) {
  check_gguf(parts.config, parts.folder);
  return bytes_of(plan_file(parts, tokenizer, mixture_or_throw(encoding), nullptr));
}

UnverifiedGguf write_unverified_gguf(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                     const std::string& encoding, const fs::path& to,
                                     const ImportanceMatrix* importance) {
  const Mixture& mixture = mixture_or_throw(encoding);
  check_gguf(parts.config, parts.folder);
  const FilePlan plan = plan_file(parts, tokenizer, mixture, importance);
  for (const std::string& note : gguf_notes(parts.config)) log_warning(note);
  GgufReport report = report_of(plan, mixture, to);
  auto file = std::make_unique<UnverifiedFile>(to);
  file->check_room(report.bytes);
  make_folder(folder_of(to));
  const std::vector<WrittenTensor> written = write_streamed(plan, report.bytes, file->path());
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    report.checked.push_back(check_difference(plan.tensors[i], written[i].difference, to));
    report.worst_error = std::max(report.worst_error, report.checked.back().worst);
  }
  check_written_file(plan.tensors, written, file->path());
  return {std::move(report), std::move(file)};
}

GgufReport write_gguf_model(const ModelParts& parts, const data::Tokenizer& tokenizer,
                            const std::string& encoding, const fs::path& to,
                            const ImportanceMatrix* importance) {
  UnverifiedGguf written = write_unverified_gguf(parts, tokenizer, encoding, to, importance);
  written.file->publish();
  return std::move(written.report);
}

}  // namespace slmtune::exporting
