#include "data/line_tokeniser.h"

#include <algorithm>
#include <thread>

#include "core/stop.h"

namespace slmtune::data {
namespace {

constexpr size_t kTaken = 64;  // lines that a thread takes at a time
constexpr size_t kMaxThreads = 16;

size_t thread_count() {
  return std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMaxThreads);
}

std::optional<Diagnostic> fault_of(const Tokens& row, const Tokenizer& tokenizer) {
  const int32_t size = tokenizer.size();
  const auto is_unknown = [size](int32_t id) { return id >= size; };
  if (std::any_of(row.ids.begin(), row.ids.end(), is_unknown))
    return Diagnostic{"D004",
                      "",
                      "the row has an id that the tokenizer does not know",
                      "the highest id is " + std::to_string(tokenizer.size() - 1),
                      {}};
  if (row.trained() == 0)
    return Diagnostic{"D005",
                      "",
                      "nothing in the row is trained",
                      "a trained token needs at least one token in front of it",
                      {}};
  return std::nullopt;
}

bool loses_system(const Example& example, const ChatTemplate* chat) {
  return chat && chat->takes.system_only_at_end && !example.messages.empty() &&
         example.messages.front().role == "system" && example.messages.back().role != "user";
}

}  // namespace

std::vector<Record> TokenisedLine::records() const {
  if (hit) return hit->records;
  std::vector<Record> records;
  for (size_t at = 0; at < words.size(); at += records.back().words().size())
    records.emplace_back(&words[at]);
  return records;
}

// What the workers share while they go through some lines.
struct LineTokeniser::Batch {
  std::span<const Line> lines;
  bool only_parse = false;
  std::vector<TokenisedLine> results{};
  std::atomic<size_t> next{0};
  std::mutex mutex{};
  std::exception_ptr failure{};
};

LineTokeniser::LineTokeniser(const std::string& format, const Tokenizer& tokenizer,
                             const ChatTemplate* chat, TokenCache* cache)
    : format_(format), tokenizer_(tokenizer), chat_(chat), cache_(cache) {}

LineTokeniser::~LineTokeniser() = default;

std::vector<TokenisedLine> LineTokeniser::run(std::span<const Line> lines, bool only_parse) {
  Batch batch{.lines = lines, .only_parse = only_parse};
  batch.results.resize(lines.size());
  const size_t count = std::clamp<size_t>(lines.size() / kTaken, 1, thread_count());
  while (parsers_.size() < count) parsers_.push_back(std::make_unique<RowParser>(format_));
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back([&, i] { work(i, batch); });
  work(0, batch);
  threads.clear();
  if (batch.failure) std::rethrow_exception(batch.failure);
  return std::move(batch.results);
}

void LineTokeniser::work(size_t worker, Batch& batch) {
  try {
    for (size_t begin; (begin = batch.next.fetch_add(kTaken)) < batch.lines.size();) {
      check_stop();
      const size_t end = std::min(begin + kTaken, batch.lines.size());
      for (size_t i = begin; i < end; ++i)
        tokenise_line(worker, batch.lines[i].text, batch.only_parse, batch.results[i]);
    }
  } catch (...) {
    const std::lock_guard lock(batch.mutex);
    batch.failure = std::current_exception();
    batch.next = batch.lines.size();
  }
}

void LineTokeniser::tokenise_line(size_t worker, std::string_view text, bool only_parse,
                                  TokenisedLine& result) {
  const RowDigest key = digest_of(text);
  if (cache_ && !only_parse && (result.hit = cache_->find(key))) return;
  Example example;
  simdjson::dom::object row;
  if (auto found = parsers_[worker]->parse(text, example, row)) {
    result.bad.push_back(std::move(*found));
    result.is_unreadable = true;
    return;
  }
  if (only_parse) return;
  try {
    add_records(example, row, key, result);
  } catch (const UserError& error) {
    result.bad = error.diagnostics();
  } catch (const Error&) {
    result.model_fault = std::current_exception();
  }
}

void LineTokeniser::add_records(const Example& example, const simdjson::dom::object& row,
                                const RowDigest& key, TokenisedLine& result) const {
  const std::vector<Tokens> rows = tokenise_rows(example, tokenizer_, chat_);
  for (const Tokens& tokens : rows)
    if (auto found = fault_of(tokens, tokenizer_)) return result.bad.push_back(std::move(*found));
  RecordFacts facts{key, loses_system(example, chat_) ? kLosesSystem : 0u, 0};
  RowKeys keys = row_keys(row);
  for (size_t i = 0; i < rows.size(); ++i) {
    RecordFacts own = facts;
    if (i + 1 < rows.size()) own.flags |= kGoesOn;
    append_record(rows[i], keys, own, result.words);
  }
}

}  // namespace slmtune::data
