#include "data/loader.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/sha256.h"
#include "data/bad_rows.h"
#include "data/dataset_builder.h"
#include "data/line_reader.h"

namespace slmtune::data {
namespace {

// So many lines, or bytes of them, are tokenised at a time and then forgotten.
constexpr size_t kLines = 4096, kBytes = 4u << 20;

// Tokenises the lines of one file and adds them to a dataset.
class FileLoader {
 public:
  FileLoader(const std::filesystem::path& path, LineTokeniser& tokeniser, TokenCache* cache)
      : path_(path.string()), tokeniser_(tokeniser), cache_(cache) {}

  // UserError with every line that cannot be used; what is wrong with the model folder is thrown as
  // it is, unless lines are bad.
  void load_into(DatasetBuilder& builder) {
    LineReader lines(path_);
    while (next_lines(lines)) {
      add(tokeniser_.run(lines_, is_failing_), builder);
      lines.release();
      if (cache_) cache_->release();
      show_progress(lines.share());
    }
    lines.say_dropped(path_);
    bad_.throw_if_any(path_);
    if (model_fault_) std::rethrow_exception(model_fault_);
    if (count_ == 0) throw_no_rows(path_);
  }

 private:
  bool next_lines(LineReader& reader) {
    lines_.clear();
    for (size_t bytes = 0; lines_.size() < kLines && bytes < kBytes && reader.next();) {
      lines_.push_back({reader.text(), reader.number()});
      bytes += reader.text().size();
    }
    count_ += static_cast<int64_t>(lines_.size());
    return !lines_.empty();
  }

  // After a line that cannot be read, or a fault of the model folder, nothing can be trained: the
  // lines after these are only parsed, so that the mistakes come soon.
  void add(const std::vector<TokenisedLine>& results, DatasetBuilder& builder) {
    for (size_t i = 0; i < results.size(); ++i) {
      const TokenisedLine& line = results[i];
      for (const Diagnostic& one : line.bad)
        bad_.add(one.code, path_ + ":" + std::to_string(lines_[i].number), one.what, one.help);
      if (line.model_fault && !model_fault_) model_fault_ = line.model_fault;
      const bool is_whole = line.hit || !line.words.empty();
      if (is_whole) builder.add(line, lines_[i].number);
      is_failing_ = is_failing_ || line.is_unreadable || line.model_fault;
    }
  }

  void show_progress(double share) {
    if (now_seconds() - started_ > 1.0)
      progress_.show(fmt::format("reading {}: {} rows, {:.0f} %", path_, count_, 100 * share));
  }

  const std::string path_;
  LineTokeniser& tokeniser_;
  TokenCache* cache_;
  std::vector<Line> lines_;
  BadRows bad_;
  std::exception_ptr model_fault_;
  bool is_failing_ = false;
  int64_t count_ = 0;
  ProgressLine progress_;
  const double started_ = now_seconds();
};

void warn_of_lost_systems(const std::string& file, int64_t count, const ChatTemplate* chat) {
  if (count == 0) return;
  log_warning(file + ": " + std::to_string(count) + " rows have a system text that is not " +
              "trained with: the chat template '" + std::string(chat->name) +
              "' prints it only where the user speaks last; put it into the user's text");
}

Dataset load(std::span<const Source> sources, const DataConfig& config, const Tokenizer& tokenizer,
             const ChatTemplate* chat, TokenCache* cache) {
  DatasetBuilder builder(config, cache);
  LineTokeniser tokeniser(config.format, tokenizer, chat, cache);
  std::string digests;
  for (const Source& source : sources) {
    const std::filesystem::path path = data_file(source);
    builder.begin_file(path.string(), source.weight);
    FileLoader(path, tokeniser, cache).load_into(builder);
    warn_of_lost_systems(path.string(), builder.lost_systems(), chat);
    digests += sha256_file(path);
  }
  if (cache) cache->commit();
  Dataset data = builder.finish(data_file(sources.front()).string());
  data.sha256 = sources.size() == 1 ? digests : sha256(digests);
  return data;
}

// What was tokenised before a mistake, or before the user stopped it, is not done again.
void keep_work(TokenCache& cache) {
  try {
    cache.commit();
  } catch (const Error& error) {
    log_verbose(error.what());
  }
}

}  // namespace

std::filesystem::path data_file(const Source& source) {
  std::filesystem::path path = source.path;
  if (std::filesystem::is_directory(path)) path /= "train.jsonl";
  if (!std::filesystem::exists(path))
    throw UserError("N001", source.where.empty() ? path.string() : source.where,
                    "the data file '" + path.string() + "' does not exist",
                    "paths are relative to the folder in which slmtune was started");
  return path;
}

Dataset load_dataset(std::span<const Source> sources, const DataConfig& config,
                     const Tokenizer& tokenizer, const ChatTemplate* chat, TokenCache* cache) {
  for (const Source& source : sources) data_file(source);
  try {
    return load(sources, config, tokenizer, chat, cache);
  } catch (...) {
    if (cache) keep_work(*cache);
    throw;
  }
}

}  // namespace slmtune::data
