#include "data/token_cache.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.h"
#include "core/folder_removal.h"
#include "core/log.h"
#include "core/sha256.h"
#include "core/version.h"

namespace slmtune::data {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxSegment = uint64_t{256}
                                 << 20;  // a crash loses at most so many bytes of work
constexpr size_t kMaxFiles = 8;
constexpr auto kUnused = std::chrono::hours(24 * 30);
constexpr size_t kSettings = 32;
constexpr const char* kEnding = ".rows";

// Each part with its length, so that no two lists give the same text.
std::string digest_of_parts(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += std::to_string(part.size()) + ":" + part;
  return sha256(text).substr(0, kSettings);
}

std::string id_text(const std::optional<int32_t>& id) {
  return id ? std::to_string(*id) : "none";
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == kEnding) files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

void remove_file(const fs::path& file) {
  std::error_code ignored;  // it is only in the way
  fs::remove(file, ignored);
}

}  // namespace

std::string text_settings(const Tokenizer& tokenizer, const ChatTemplate* chat) {
  std::string added;
  for (const AddedToken& token : tokenizer.added_tokens())
    added += std::to_string(token.id) + ":" + std::to_string(token.text.size()) + ":" + token.text;
  return digest_of_parts({"rows 1", sha256_file(tokenizer.file()), added, id_text(tokenizer.bos()),
                          id_text(tokenizer.eos()), tokenizer.adds_bos() ? "bos" : "",
                          std::to_string(tokenizer.size()), chat ? std::string(chat->name) : ""});
}

std::string tokeniser_settings(const Tokenizer& tokenizer, const ChatTemplate* chat,
                               const std::string& format) {
  return digest_of_parts({text_settings(tokenizer, chat), format, std::string(version())});
}

TokenCache::TokenCache(fs::path folder, std::string settings, int32_t vocabulary, Use use)
    : folder_(std::move(folder)),
      settings_(std::move(settings)),
      vocabulary_(vocabulary),
      use_(use) {
  open_all();
  if (use_ == Use::kReadAndWrite) return;
  segments_.push_back(std::make_shared<Segment>());
  used_.emplace_back();
}

void TokenCache::open_all() {
  const auto now = fs::file_time_type::clock::now();
  for (const fs::path& file : files_in(folder_)) {
    if (!file.filename().string().starts_with(settings_)) continue;
    std::shared_ptr<Segment> segment;
    try {
      segment = Segment::open(file, settings_);
    } catch (const Error&) {
      continue;  // deleted by another program, or not to be read
    }
    if (!segment) {
      damaged_.push_back(file);
      continue;
    }
    std::error_code ignored;
    if (use_ == Use::kReadAndWrite) fs::last_write_time(file, now, ignored);
    used_.emplace_back(segment->size(), false);
    segments_.push_back(std::move(segment));
  }
}

std::optional<TokenCache::Hit> TokenCache::find(const RowDigest& key) {
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (!segments_[i] || segments_[i]->path().empty()) continue;
    const std::optional<size_t> entry = segments_[i]->find(key);
    if (!entry) continue;
    Hit hit{static_cast<uint16_t>(i), *entry, segments_[i]->line(*entry, vocabulary_)};
    if (!hit.records.empty()) return hit;
    found_damage_ = true;
  }
  return std::nullopt;
}

fs::path TokenCache::new_path() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return folder_ /
         (settings_ + "-" + std::to_string(now) + "-" + std::to_string(getpid()) + kEnding);
}

TokenCache::Place TokenCache::add(std::span<const uint32_t> record, bool is_first_of_line) {
  if (use_ == Use::kRead)
    return {static_cast<uint16_t>(segments_.size() - 1), segments_.back()->append(record)};
  if (writer_ && is_first_of_line && writer_->bytes() > kMaxSegment) commit();
  if (!writer_) {
    make_folder(folder_);
    writer_ = std::make_unique<SegmentWriter>(new_path(), settings_);
    segments_.push_back(nullptr);
    used_.emplace_back();
  }
  return {static_cast<uint16_t>(segments_.size() - 1), writer_->append(record, is_first_of_line)};
}

void TokenCache::commit() {
  if (!writer_) return;
  writer_->commit();
  segments_.back() = Segment::open(writer_->path(), settings_);
  if (!segments_.back())
    throw IoError("W001", writer_->path().string(), "the file is not as it was just written",
                  "check the disk");
  used_.back().assign(segments_.back()->size(), true);
  writer_.reset();
}

void TokenCache::release() const {
  for (const auto& segment : segments_)
    if (segment) segment->release();
}

void TokenCache::finish() {
  if (use_ == Use::kRead) return;
  commit();
  if (found_damage_ || !damaged_.empty())
    log_warning(folder_.string() +
                ": a file was damaged; its rows were tokenised again and it is replaced");
  for (const fs::path& file : damaged_) remove_file(file);
  remove_temporaries(folder_);
  std::vector<size_t> again;
  size_t whole = 0;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const auto used = std::count(used_[i].begin(), used_[i].end(), true);
    if (used == static_cast<std::ptrdiff_t>(used_[i].size()))
      ++whole;
    else
      again.push_back(i);
  }
  if (whole > kMaxFiles) {
    again.resize(segments_.size());
    for (size_t i = 0; i < again.size(); ++i) again[i] = i;
  }
  write_again(again);
  const auto now = fs::file_time_type::clock::now();
  for (const fs::path& file : files_in(folder_)) {
    std::error_code error;
    const auto written = fs::last_write_time(file, error);
    if (!error && now - written > kUnused) remove_file(file);
  }
}

void TokenCache::write_again(const std::vector<size_t>& segments) {
  for (size_t i : segments) {
    const Segment& old = *segments_[i];
    for (size_t entry = 0; entry < old.size(); ++entry) {
      if (!used_[i][entry]) continue;
      bool is_first = true;
      for (const Record& record : old.line(entry, vocabulary_))
        add(record.words(), std::exchange(is_first, false));
      if (entry % 4096 == 0) old.release();
    }
  }
  commit();
  for (size_t i : segments) remove_file(segments_[i]->path());
}

void delete_token_cache(const fs::path& folder) {
  hide_folder(folder);
  remove_hidden(folder_of(folder));
}

}  // namespace slmtune::data
