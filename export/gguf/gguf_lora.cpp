#include "export/gguf/gguf_lora.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/shape.h"
#include "core/stop.h"
#include "core/text.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf.h"
#include "export/gguf/gguf_tensors.h"
#include "export/gguf/unverified_file.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMergeInstead =
    "merge it into its base model instead: slmtune export --format gguf";

const models::GgufFacts& facts_of(const models::ModelConfig& base) {
  return models::find_family(base.architecture)->gguf;
}

struct PlannedPair {
  const lora::StoredPair* pair = nullptr;
  std::string name;             // of the base's tensor: "blk.0.attn_q.weight"
  int64_t reordered_heads = 0;  // rows of B go the way of the base's rows
  double factor = 1.0;          // of B, where the file's alpha is not the pair's
};

// What the pair's alpha would be: the runtime computes alpha / rank.
double alpha_of(const lora::StoredPair& pair) {
  return pair.scale * static_cast<double>(pair.rank());
}

// The one that most pairs have, so that their numbers stay as they are. llama.cpp takes 0 for "no
// scale", so alphas that float32 cannot hold are not among them.
float common_alpha(const std::vector<lora::StoredPair>& pairs) {
  std::map<float, int> counts;
  for (const lora::StoredPair& pair : pairs)
    if (const auto alpha = static_cast<float>(alpha_of(pair)); std::isnormal(alpha))
      ++counts[alpha];
  if (counts.empty()) return 1.0f;
  return std::max_element(
             counts.begin(), counts.end(),
             [](const auto& one, const auto& other) { return one.second < other.second; })
      ->first;
}

// A tied model has one tensor for embedding and head. llama.cpp has none for the head's factors,
// and puts the embedding's on the head as well, where their shapes end its process.
void check_vocabulary_pair(const models::ModelConfig& base, const lora::StoredPair& pair,
                           const std::string& where) {
  if (!base.tied_embeddings || !(pair.is_head() || pair.is_embedding())) return;
  throw FileFormatError("F097", where,
                        "the adapter changes the " +
                            std::string(pair.is_head() ? "head" : "embedding") + " ('" +
                            pair.module + "') of a model whose embedding and head are one tensor",
                        "train without '" + pair.module +
                            "' among the target modules, or untie the base model first");
}

std::vector<PlannedPair> plan_pairs(const models::ModelConfig& base,
                                    const lora::StoredAdapter& adapter, float alpha) {
  const models::GgufFacts& facts = facts_of(base);
  std::vector<PlannedPair> plan;
  for (const lora::StoredPair& pair : adapter.pairs) {
    check_vocabulary_pair(base, pair, adapter.file.path().string());
    const auto name = gguf_name(facts, pair.module + ".weight");
    if (!name)
      throw FileFormatError("F094", adapter.file.path().string(),
                            "GGUF has no name for '" + shown(pair.module) + "'", kMergeInstead);
    const double wanted = alpha_of(pair);
    const double factor = static_cast<float>(wanted) == alpha ? 1.0 : wanted / double{alpha};
    plan.push_back({&pair, *name, reordered_heads(facts, base, *name), factor});
  }
  return plan;
}

std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t columns) {
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      out[static_cast<size_t>(column * rows + row)] =
          values[static_cast<size_t>(row * columns + column)];
  return out;
}

// As it stands in the file; that of the embedding is kept the other way round there.
std::vector<float> values_of_a(const PlannedPair& planned) {
  const TensorView& a = planned.pair->a;
  std::vector<float> values = lora::float_values(a);
  return planned.pair->is_embedding() ? transposed(values, a.shape[0], a.shape[1]) : values;
}

std::vector<float> values_of_b(const PlannedPair& planned) {
  const int64_t rows = planned.pair->b.shape[0], rank = planned.pair->b.shape[1];
  const std::vector<float> stored = lora::float_values(planned.pair->b);
  std::vector<float> values(stored.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t from =
        planned.reordered_heads > 0 ? source_row(row, rows, planned.reordered_heads) : row;
    std::transform(stored.begin() + from * rank, stored.begin() + (from + 1) * rank,
                   values.begin() + row * rank,
                   [&](float value) { return static_cast<float>(double{value} * planned.factor); });
  }
  return values;
}

std::vector<float> checked(std::vector<float> values, const std::string& name) {
  if (std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
    return values;
  throw FileFormatError("F096", name, "holds a value that is not a finite number",
                        "the adapter is damaged, or its training diverged");
}

// A tensor of the file and its values, made when they are asked for.
struct LoraTensor {
  GgufTensor entry;
  std::function<std::vector<float>()> values;
};

LoraTensor tensor_of(const std::string& name, std::vector<int64_t> shape,
                     std::function<std::vector<float>()> values) {
  const auto elements = static_cast<uint64_t>(shape_elements(shape));
  return {{name, std::move(shape), kGgmlF32, elements * sizeof(float)},
          [name, values = std::move(values)] {
            check_stop();
            return checked(values(), name);
          }};
}

std::vector<LoraTensor> tensors_of(const std::vector<PlannedPair>& plan) {
  std::vector<LoraTensor> tensors;
  for (const PlannedPair& planned : plan) {
    std::vector<int64_t> shape = planned.pair->a.shape;
    if (planned.pair->is_embedding()) std::swap(shape[0], shape[1]);
    tensors.push_back(tensor_of(planned.name + ".lora_a", std::move(shape),
                                [&planned] { return values_of_a(planned); }));
    tensors.push_back(tensor_of(planned.name + ".lora_b", planned.pair->b.shape,
                                [&planned] { return values_of_b(planned); }));
  }
  return tensors;
}

[[noreturn]] void fail_read_back(const fs::path& path, const std::string& what) {
  throw FileFormatError("F095", path.string(), "the written file has another " + what,
                        "the disk or the memory may be faulty; export again");
}

void verify_lora(const fs::path& path, const GgufMetadata& metadata,
                 const std::vector<LoraTensor>& tensors) {
  const GgufFile file = GgufFile::open(path);
  if (file.metadata() != std::map<std::string, GgufValue>(metadata.begin(), metadata.end()))
    fail_read_back(path, "set of keys");
  if (file.tensors().size() != tensors.size()) fail_read_back(path, "number of tensors");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const GgufTensor &expected = tensors[i].entry, &found = file.tensors()[i];
    if (found != expected) fail_read_back(path, "shape or type of '" + expected.name + "'");
    const std::vector<float> values = tensors[i].values();
    if (!std::ranges::equal(file.data(expected.name), std::as_bytes(std::span(values))))
      fail_read_back(path, "content of '" + expected.name + "'");
  }
}

}  // namespace

void check_gguf_lora(const models::ModelConfig& base, const std::string& variant,
                     const std::string& where) {
  if (variant == "dora")
    throw FileFormatError("F097", where, "llama.cpp has no form for a DoRA adapter", kMergeInstead);
  const models::Family* family = models::find_family(base.architecture);
  if (family == nullptr || family->gguf.architecture.empty())
    throw FileFormatError(
        "F094", where, "architecture '" + shown(base.architecture) + "' cannot be written to GGUF",
        "use the PEFT folder as it is, or merge: slmtune export --format hf");
}

GgufLoraReport write_gguf_lora(const models::ModelConfig& base, const lora::StoredAdapter& adapter,
                               const std::string& name, const fs::path& to) {
  check_gguf_lora(base, adapter.config.variant, adapter.file.path().string());
  const float alpha = common_alpha(adapter.pairs);
  const std::vector<PlannedPair> plan = plan_pairs(base, adapter, alpha);
  const std::vector<LoraTensor> tensors = tensors_of(plan);
  const GgufMetadata metadata{{"general.architecture", std::string(facts_of(base).architecture)},
                              {"general.type", std::string("adapter")},
                              {"general.name", name},
                              {"general.file_type", uint32_t{0}},
                              {"adapter.type", std::string("lora")},
                              {"adapter.lora.alpha", alpha}};
  std::vector<GgufTensorSource> sources;
  for (const LoraTensor& tensor : tensors)
    sources.push_back({tensor.entry, [&tensor](const auto& write) {
                         const std::vector<float> values = tensor.values();
                         write(std::as_bytes(std::span(values)));
                       }});
  GgufLoraReport report{to, gguf_file_bytes(metadata, sources),
                        static_cast<int64_t>(tensors.size()), alpha};
  UnverifiedFile file(to);
  file.check_room(report.bytes);
  make_folder(folder_of(to));
  write_gguf(file.path(), metadata, sources);
  verify_lora(file.path(), metadata, tensors);
  file.publish();
  return report;
}

}  // namespace slmtune::exporting
