#include <algorithm>
#include <cmath>
#include <mutex>
#include <system_error>

#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "export/encodings/encoding.h"
#include "export/export.h"
#include "export/gguf/gguf.h"
#include "export/gguf/gguf_metadata.h"
#include "export/gguf/gguf_tensors.h"
#include "export/parallel.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kThreadElements =
    1 << 16;  // a multiple of every block; fewer are not worth a thread

const Encoding& encoding_or_throw(const std::string& name) {
  if (const Encoding* encoding = find_encoding(name)) return *encoding;
  std::vector<std::string> names;
  for (const Encoding& encoding : encodings()) names.emplace_back(encoding.name);
  throw UserError("R070", "", "unknown encoding '" + shown(name) + "'",
                  "use " + quoted_list(names));
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

// Where the blocks of `elements` values lie.
size_t encoded_bytes(const Encoding& encoding, int64_t elements) {
  return static_cast<size_t>(elements / encoding.block * encoding.block_bytes);
}

GgufTensorSource encoded(const PlannedTensor& planned) {
  return {table_entry(planned), [&planned](const auto& write) {
            const Encoding& encoding = *planned.encoding;
            std::vector<std::byte> bytes;
            for_each_run(planned, [&](int64_t, std::span<const float> values) {
              const auto count = static_cast<int64_t>(values.size());
              bytes.resize(encoded_bytes(encoding, count));
              in_parallel(count, kThreadElements, [&](int64_t first, int64_t last) {
                const size_t start = encoded_bytes(encoding, first);
                encoding.encode(
                    values.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)),
                    std::span(bytes).subspan(start, encoded_bytes(encoding, last) - start));
              });
              write(bytes);
            });
          }};
}

[[noreturn]] void fail_check(const fs::path& path, const std::string& name,
                             const std::string& what) {
  throw FileFormatError("F095", path.string(), "tensor '" + name + "' " + what,
                        "the disk or the memory may be faulty; export again");
}

struct Difference {
  double worst = 0.0, largest = 0.0;  // |stored − source| and |source|
  bool within_bound = true;

  void add(const Difference& other) {
    worst = std::max(worst, other.worst);
    largest = std::max(largest, other.largest);
    within_bound = within_bound && other.within_bound;
  }
};

Difference compare_blocks(const Encoding& encoding, std::span<const float> values,
                          std::span<const std::byte> stored) {
  std::vector<float> decoded(values.size());
  encoding.decode(stored, decoded);
  Difference total;
  const size_t block = static_cast<size_t>(encoding.block);
  for (size_t start = 0; start < values.size(); start += block) {
    double largest = 0.0;
    for (size_t i = start; i < start + block; ++i)
      largest = std::max(largest, std::fabs(double{values[i]}));
    const double bound = encoding.error_bound(largest);
    total.largest = std::max(total.largest, largest);
    for (size_t i = start; i < start + block; ++i) {
      const double error = std::fabs(double{values[i]} - double{decoded[i]});
      total.worst = std::max(total.worst, error);
      total.within_bound = total.within_bound && error <= bound;  // false for NaN
    }
  }
  return total;
}

// Largest difference between source and file, relative to the largest source value.
double compare(const PlannedTensor& planned, const GgufFile& file, const fs::path& path) {
  const Encoding& encoding = *planned.encoding;
  const auto stored = file.data(planned.name);
  Difference total;
  std::mutex mutex;
  for_each_run(planned, [&](int64_t run, std::span<const float> values) {
    in_parallel(static_cast<int64_t>(values.size()), kThreadElements,
                [&](int64_t first, int64_t last) {
                  const size_t start = encoded_bytes(encoding, run + first);
                  const Difference part = compare_blocks(
                      encoding,
                      values.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)),
                      stored.subspan(start, encoded_bytes(encoding, run + last) - start));
                  const std::lock_guard lock(mutex);
                  total.add(part);
                });
  });
  if (!total.within_bound)
    fail_check(path, planned.name, "differs from its source by more than the encoding's rounding");
  return total.largest > 0.0 ? total.worst / total.largest : total.worst;
}

double verify(const std::vector<PlannedTensor>& plan, const fs::path& path) {
  const GgufFile file = GgufFile::open(path);
  if (file.tensors().size() != plan.size())
    throw FileFormatError("F095", path.string(), "the written file has another number of tensors",
                          "export again");
  double worst = 0.0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const GgufTensor expected = table_entry(plan[i]), &found = file.tensors()[i];
    if (found.name != expected.name || found.shape != expected.shape || found.type != expected.type)
      fail_check(path, expected.name, "has another shape or type in the written file");
    worst = std::max(worst, compare(plan[i], file, path));
  }
  return worst;
}

struct FilePlan {
  std::vector<PlannedTensor> tensors;
  GgufMetadata metadata;
};

FilePlan plan_file(const ModelParts& parts, const data::Tokenizer& tokenizer,
                   const Encoding& encoding) {
  const models::GgufFacts& facts = models::find_family(parts.config.architecture)->gguf;
  FilePlan file{plan_tensors(parts, facts, encoding), {}};
  const int64_t rows = vocabulary_rows(parts, file.tensors);
  file.metadata = model_metadata(parts, facts, encoding, rows);
  for (auto& entry : tokenizer_metadata(parts, tokenizer, rows))
    file.metadata.push_back(std::move(entry));
  return file;
}

// The file under a hidden name until it is checked; removed when something fails.
class UnverifiedFile {
 public:
  explicit UnverifiedFile(const fs::path& to)
      : to_(to), path_(folder_of(to) / ("." + to.filename().string() + ".unverified")) {}
  ~UnverifiedFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  UnverifiedFile(const UnverifiedFile&) = delete;
  UnverifiedFile& operator=(const UnverifiedFile&) = delete;
  const fs::path& path() const { return path_; }

  void publish() {
    std::error_code failure;
    fs::rename(path_, to_, failure);
    if (failure)
      throw_io_error(to_.string(), "cannot put the finished file in place", failure.value());
    sync_folder(folder_of(to_));
  }

 private:
  fs::path to_, path_;
};

}  // namespace

void check_gguf(const models::ModelConfig& config, const fs::path& folder) {
  const std::string help = "export a Hugging Face folder instead";
  const models::Family* family = models::find_family(config.architecture);
  if (family == nullptr || family->gguf.architecture.empty())
    throw FileFormatError(
        "F094", folder.string(),
        "architecture '" + shown(config.architecture) + "' cannot be written to GGUF", help);
  for (const int64_t window : config.windows)
    if (window > 0)
      throw FileFormatError("F094", folder.string(),
                            "a sliding window (" + std::to_string(window) +
                                " tokens) cannot be written to GGUF for " + config.architecture,
                            help);
}

uint64_t gguf_model_bytes(const ModelParts& parts, const data::Tokenizer& tokenizer,
                          const std::string& encoding_name) {
  check_gguf(parts.config, parts.folder);
  const FilePlan file = plan_file(parts, tokenizer, encoding_or_throw(encoding_name));
  std::vector<GgufTensorSource> tensors;
  for (const PlannedTensor& planned : file.tensors) tensors.push_back({table_entry(planned), {}});
  return gguf_file_bytes(file.metadata, tensors);
}

GgufReport write_gguf_model(const ModelParts& parts, const data::Tokenizer& tokenizer,
                            const std::string& encoding_name, const fs::path& to) {
  const Encoding& encoding = encoding_or_throw(encoding_name);
  check_gguf(parts.config, parts.folder);
  const auto [plan, metadata] = plan_file(parts, tokenizer, encoding);
  GgufReport report;
  std::vector<GgufTensorSource> tensors;
  for (const PlannedTensor& planned : plan) {
    tensors.push_back(encoded(planned));
    if (planned.fell_back) report.stored_as_f16.push_back(planned.name);
  }
  if (!report.stored_as_f16.empty())
    log_info(std::to_string(report.stored_as_f16.size()) +
             " tensors are stored as f16: their rows do not divide into " + encoding_name +
             " blocks of " + std::to_string(encoding.block));
  if (fs::is_directory(to))
    throw IoError("W004", to.string(), "cannot create: this is a folder", "name a file in it");
  report.bytes = gguf_file_bytes(metadata, tensors);
  check_free_space(existing_folder(folder_of(to)), report.bytes, "the export");
  make_folder(folder_of(to));
  UnverifiedFile file(to);
  write_gguf(file.path(), metadata, tensors);
  report.worst_error = verify(plan, file.path());
  file.publish();
  report.path = to;
  report.tensors = static_cast<int64_t>(plan.size());
  return report;
}

}  // namespace slmtune::exporting
