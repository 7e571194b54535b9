#include "cli/engine/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/safetensors.h"
#include "core/sha256.h"
#include "core/shape.h"
#include "core/text.h"
#include "core/version.h"
#include "export/gguf/gguf_source.h"
#include "export/mixtures/mixture.h"
#include "models/stored_weights.h"
#include "store/manifest.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kVerifyTokens = 16;
constexpr double kSixteenBits = 16.0;

// Six digits are more than two runs on different machines share.
OrderedJson figure(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::stod(fmt::format("{:.6g}", value));
}

const exporting::Encoding& base_encoding(const std::string& word) {
  const exporting::Mixture* mixture = exporting::find_mixture(word);
  SLMTUNE_ASSERT(mixture != nullptr, "an encoding that was written");
  return *exporting::find_encoding(mixture->base);
}

double bits_of(const exporting::Encoding& encoding) {
  return 8.0 * static_cast<double>(encoding.block_bytes) / static_cast<double>(encoding.block);
}

uint64_t weights_in(const fs::path& folder) {
  const TensorFolder files = TensorFolder::open(folder);
  uint64_t count = 0;
  for (const auto& [name, weight] : models::stored_weights(files))
    count += static_cast<uint64_t>(shape_elements(weight.shape));
  return count;
}

// float32 is given up where it would fill the computer's memory.
bool is_too_large_for_float32(const fs::path& folder) {
  constexpr double kShare = 0.6;
  const uint64_t room = memory_room().available;
  return room > 0 &&
         4.0 * static_cast<double>(weights_in(folder)) > kShare * static_cast<double>(room);
}

OrderedJson tensors_json(const exporting::GgufReport& report) {
  OrderedJson table = OrderedJson::array();
  double rms = 0.0;
  for (const exporting::CheckedTensor& tensor : report.checked) {
    rms = std::max(rms, tensor.rms);
    table.push_back({{"name", tensor.name},
                     {"encoding", tensor.encoding},
                     {"worst", figure(tensor.worst)},
                     {"rms", figure(tensor.rms)}});
  }
  return {{"count", report.tensors},
          {"worst", figure(report.worst_error)},
          {"worst_rms", figure(rms)},
          {"table", std::move(table)}};
}

OrderedJson answers_json(const TrainedAnswers& trained, const eval::Agreement& agreement) {
  return {{"rows", trained.from},
          {"prompts", agreement.rows},
          {"answer_tokens", agreement.answer_tokens},
          {"greedy_agreement", figure(agreement.greedy_agreement)},
          {"identical_answers", figure(agreement.identical_answers)},
          {"measured_tokens", agreement.measured_tokens},
          {"top1_agreement", figure(agreement.top1_agreement)},
          {"mean_kl", figure(agreement.mean_divergence)},
          {"p99_kl", figure(agreement.p99_divergence)},
          {"kl_tokens", agreement.kept_tokens},
          {"perplexity", figure(agreement.copy_perplexity)},
          {"trained_perplexity", figure(agreement.model_perplexity)},
          {"perplexity_increase", figure(agreement.perplexity_increase())}};
}

// Rows that the file's tokenizer splits otherwise than the model's.
int64_t split_otherwise(const TrainedAnswers& trained, const data::Tokenizer& tokenizer) {
  int64_t count = 0;
  for (size_t i = 0; i < trained.texts.size(); ++i)
    count += tokenizer.encode(trained.texts[i]) != trained.text_ids[i];
  return count;
}

std::string percent(double share) {
  return fmt::format("{:.4g} %", 100.0 * share);
}

// What exceeds its limit, "" if nothing does. Figures that are no numbers exceed every limit.
std::string excess(const eval::Agreement& agreement, const exporting::VerifyLimits& limits,
                   int64_t other_splits) {
  std::vector<std::string> parts;
  if (other_splits > 0)
    parts.push_back(
        fmt::format("its tokenizer splits {} of {} texts otherwise", other_splits, agreement.rows));
  const double increase = agreement.perplexity_increase();
  if (!std::isfinite(increase) || !std::isfinite(agreement.mean_divergence))
    parts.emplace_back("its probabilities are no finite numbers");
  else if (increase > limits.max_perplexity_increase)
    parts.push_back(fmt::format("perplexity is {} higher (limit {})", percent(increase),
                                percent(limits.max_perplexity_increase)));
  if (!(agreement.greedy_agreement >= limits.min_greedy_agreement))
    parts.push_back(fmt::format("{} of greedy tokens agree (limit {})",
                                percent(agreement.greedy_agreement),
                                percent(limits.min_greedy_agreement)));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string advice(const std::string& encoding) {
  if (bits_of(base_encoding(encoding)) >= kSixteenBits)
    return "such an encoding hardly rounds, so this should not be; please report it. --no-verify "
           "publishes the file all the same";
  return "export with more bits (q8_0, q6_k), or accept it with max_perplexity_increase and "
         "min_greedy_agreement";
}

// The record as a short table.
void say_verify(const OrderedJson& record) {
  const OrderedJson &answers = record["answers"], &limits = record["limits"];
  const auto number = [](const OrderedJson& value) {
    return value.is_number() ? value.get<double>() : std::nan("");
  };
  log_info(fmt::format("verify: {} prompts of {}, {:.1f} s", answers["prompts"].get<int64_t>(),
                       answers["rows"].get<std::string>(), number(answers["seconds"])));
  log_info(fmt::format("  perplexity        {:.4g} -> {:.4g}, {:+.2f} % (limit +{:.4g} %)",
                       number(answers["trained_perplexity"]), number(answers["perplexity"]),
                       100 * number(answers["perplexity_increase"]),
                       100 * number(limits["max_perplexity_increase"])));
  log_info(fmt::format("  divergence        mean {:.3g}, 99th percentile {:.3g}, {} tokens",
                       number(answers["mean_kl"]), number(answers["p99_kl"]),
                       answers["measured_tokens"].get<int64_t>()));
  log_info(fmt::format("  likeliest token   the same in {}",
                       percent(number(answers["top1_agreement"]))));
  log_info(fmt::format("  greedy answers    {} of {} tokens agree (limit {}), {} word for word",
                       percent(number(answers["greedy_agreement"])),
                       answers["answer_tokens"].get<int64_t>(),
                       percent(number(limits["min_greedy_agreement"])),
                       percent(number(answers["identical_answers"]))));
}

}  // namespace

TrainedAnswers ask_trained(models::CausalLM& model, const HeldOut& rows,
                           const data::Tokenizer& tokenizer, OrderedJson source) {
  const double start = now_seconds();
  TrainedAnswers trained;
  trained.from = rows.from;
  trained.source = std::move(source);
  trained.options.dtype = model.dtype;
  for (const eval::AgreementRow& row : rows.rows) {
    trained.texts.push_back(tokenizer.decode(row.ids));
    trained.text_ids.push_back(tokenizer.encode(trained.texts.back()));
  }
  trained.said = eval::testimony(model, rows.rows,
                                 {.max_tokens = kVerifyTokens, .stop_ids = tokenizer.stop_ids()});
  trained.seconds = now_seconds() - start;
  return trained;
}

LoadedModel load_to_ask(const ModelSource& source, DeviceFlags flags) {
  const bool is_free = flags.dtype.empty() || flags.dtype == "auto";
  if (is_free && is_too_large_for_float32(source.base)) flags.dtype = "bfloat16";
  return load_source(source, flags);
}

OrderedJson source_json(const ModelSource& source) {
  OrderedJson json = {{"model", source.label}};
  if (source.snapshot) {
    json["snapshot"] = store::read_manifest(*source.snapshot).number;
    json["manifest_sha256"] = sha256_file(*source.snapshot / store::kManifestName);
  } else if (source.adapter) {
    json["base"] = source.base.string();
  }
  return json;
}

std::optional<fs::path> trained_in(const ModelSource& source) {
  for (const auto& folder : {source.snapshot, source.adapter})
    if (folder && fs::exists(*folder / store::kRecipeName)) return folder;
  return std::nullopt;
}

exporting::VerifyLimits limits_of(const ExportChoice& choice) {
  exporting::VerifyLimits limits = exporting::default_limits(base_encoding(choice.encoding));
  if (choice.max_perplexity_increase)
    limits.max_perplexity_increase = *choice.max_perplexity_increase;
  if (choice.min_greedy_agreement) limits.min_greedy_agreement = *choice.min_greedy_agreement;
  return limits;
}

ExportChoice export_in_recipe(const ModelSource& source, const std::string& encoding) {
  ExportChoice none;
  none.encoding = encoding;
  const auto folder = trained_in(source);
  if (!folder) return none;
  for (const ExportChoice& choice : read_kept_recipe(*folder / store::kRecipeName).exports)
    if (choice.format == "gguf" && choice.encoding == encoding) return choice;
  return none;
}

OrderedJson verify_export(const TrainedAnswers& trained, const exporting::UnverifiedGguf& written,
                          const std::string& encoding, const exporting::VerifyLimits& limits) {
  const double start = now_seconds();
  const exporting::GgufReport& report = written.report;
  const fs::path& to = written.file->target();
  const auto file = exporting::GgufSource::open(written.file->path());
  const int64_t other_splits = split_otherwise(trained, exporting::gguf_tokenizer(file.file()));
  eval::Agreement agreement;
  {
    const auto copy = exporting::load_gguf_model(file, trained.options);
    agreement = eval::agreement_with(trained.said, *copy);
  }
  OrderedJson record = {{"file", to.filename().string()},
                        {"bytes", report.bytes},
                        {"sha256", sha256_file(written.file->path())},
                        {"encoding", encoding},
                        {"source", trained.source},
                        {"program", "slmtune " + std::string(version())},
                        {"verdict", "passed"},
                        {"limits",
                         {{"max_perplexity_increase", limits.max_perplexity_increase},
                          {"min_greedy_agreement", limits.min_greedy_agreement}}},
                        {"answers", answers_json(trained, agreement)}};
  record["answers"]["seconds"] = figure(trained.seconds + now_seconds() - start);
  record["tensors"] = tensors_json(report);
  say_verify(record);
  const std::string problem = excess(agreement, limits, other_splits);
  if (problem.empty()) return record;
  throw FileFormatError("F120", to.string(),
                        "the written model does not answer as the trained one: " + problem,
                        advice(encoding));
}

}  // namespace slmtune::cli
