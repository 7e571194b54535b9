#include "data/row_tokeniser.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "core/log.h"
#include "core/stop.h"

namespace slmtune::data {
namespace {

constexpr size_t kChunk = 64;  // rows that a thread takes at a time

}  // namespace

std::vector<Tokens> RowTokeniser::run(const std::string& file) {
  rows_.resize(examples_.size());
  errors_.resize(examples_.size());
  const size_t most = std::max<size_t>(1, examples_.size() / kChunk);
  const size_t count =
      std::min<size_t>({std::max(1u, std::thread::hardware_concurrency()), 16, most});
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back([this] { work(false); });
  work(true);
  threads.clear();
  if (failure_) std::rethrow_exception(failure_);
  BadRows bad;
  for (size_t i = 0; i < rows_.size(); ++i) note(i, bad);
  bad.throw_if_any(file);
  warn_of_lost_systems(file);
  return std::move(rows_);
}

void RowTokeniser::warn_of_lost_systems(const std::string& file) const {
  if (!chat_ || !chat_->takes.system_only_at_end) return;
  const auto loses = [](const Example& example) {
    return !example.messages.empty() && example.messages.front().role == "system" &&
           example.messages.back().role != "user";
  };
  const auto count = std::count_if(examples_.begin(), examples_.end(), loses);
  if (count > 0)
    log_warning(file + ": " + std::to_string(count) + " rows have a system text that is not " +
                "trained with: the chat template '" + std::string(chat_->name) +
                "' prints it only where the user speaks last; put it into the user's text");
}

void RowTokeniser::work(bool shows_progress) {
  std::optional<ProgressLine> progress;
  if (shows_progress) progress.emplace();
  const double start = now_seconds();
  for (size_t begin; (begin = next_.fetch_add(kChunk)) < examples_.size();) {
    const size_t end = std::min(begin + kChunk, examples_.size());
    for (size_t i = begin; i < end; ++i)
      if (!tokenise_row(i)) return;
    if (progress && now_seconds() - start > 1.0)
      progress->show("tokenising: " + std::to_string(end) + " of " +
                     std::to_string(examples_.size()) + " rows");
  }
}

bool RowTokeniser::tokenise_row(size_t i) {
  try {
    check_stop();
    rows_[i] = tokenise(examples_[i], tokenizer_, chat_);
    return true;
  } catch (const UserError& error) {
    errors_[i] = error.diagnostics();
    return true;
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    next_ = examples_.size();
    return false;
  }
}

void RowTokeniser::note(size_t i, BadRows& bad) const {
  for (const Diagnostic& one : errors_[i]) bad.add(one.code, places_[i], one.what, one.help);
  if (!errors_[i].empty()) return;
  const auto& ids = rows_[i].ids;
  if (std::any_of(ids.begin(), ids.end(), [&](int32_t id) { return id >= tokenizer_.size(); }))
    bad.add("D004", places_[i], "the row has an id that the tokenizer does not know",
            "the highest id is " + std::to_string(tokenizer_.size() - 1));
  else if (rows_[i].trained() == 0)
    bad.add("D005", places_[i], "nothing in the row is trained",
            "a trained token needs at least one token in front of it");
}

}  // namespace slmtune::data
