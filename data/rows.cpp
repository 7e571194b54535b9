#include "data/rows.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/error.h"

namespace slmtune::data {
namespace {

uint16_t number_of(size_t index) {
  SLMTUNE_ASSERT(index <= std::numeric_limits<uint16_t>::max(), "too many files of rows");
  return static_cast<uint16_t>(index);
}

}  // namespace

int64_t trained_in(const Record& record, size_t length) {
  const std::span<const uint32_t> mask = record.mask();
  int64_t count = 0;
  for (size_t word = 0; word * 32 < length; ++word) {
    uint32_t bits = mask[word];
    if (word == 0) bits &= ~1u;
    if (length - word * 32 < 32) bits &= (1u << (length - word * 32)) - 1;
    count += std::popcount(bits);
  }
  return count;
}

int64_t Row::trained() const {
  return trained_in(record_, length_);
}

Tokens Row::tokens() const {
  Tokens tokens{{ids().begin(), ids().end()}, {}, mark()};
  tokens.labels.reserve(length_);
  for (size_t i = 0; i < length_; ++i) tokens.labels.push_back(label(i));
  return tokens;
}

std::string Rows::place(size_t i) const {
  return files_[refs_[i].file] + ":" + std::to_string(refs_[i].line);
}

uint16_t Rows::add_file(const std::string& file) {
  const auto known = std::find(files_.begin(), files_.end(), file);
  if (known != files_.end()) return number_of(static_cast<size_t>(known - files_.begin()));
  files_.push_back(file);
  return number_of(files_.size() - 1);
}

uint16_t Rows::add_segment(std::shared_ptr<Segment> segment) {
  segments_.push_back(std::move(segment));
  return number_of(segments_.size() - 1);
}

void Rows::push_back(const Tokens& row, const std::string& file, uint32_t line) {
  if (segments_.empty() || !segments_.back() || !segments_.back()->path().empty())
    add_segment(std::make_shared<Segment>());
  std::vector<uint32_t> words;
  append_record(row, {}, {}, words);
  Ref ref{.offset = segments_.back()->append(words),
          .length = static_cast<uint32_t>(row.ids.size()),
          .line = line,
          .file = add_file(file),
          .segment = number_of(segments_.size() - 1)};
  ref.part = row.mark == RowMark::kRejected;
  refs_.push_back(ref);
}

Rows Rows::like(const Rows& other) {
  Rows rows;
  rows.files_ = other.files_;
  rows.segments_ = other.segments_;
  return rows;
}

void Rows::release() const {
  for (const auto& segment : segments_) segment->release();
}

void Rows::prefetch(std::span<const uint64_t> rows) const {
  for (uint64_t row : rows) {
    const Ref& ref = refs_[row];
    segments_[ref.segment]->prefetch(ref.offset, ref.length);
  }
}

}  // namespace slmtune::data
