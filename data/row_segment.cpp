#include "data/row_segment.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/crc32c.h"
#include "core/error.h"

namespace slmtune::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "SLMTOKS1", kEndMagic = "SLMTOKE1";
constexpr size_t kHead = 40, kEntry = 24, kTail = 32, kTailNumbers = 20;
constexpr size_t kChunkWords = 1u << 20;  // of 4 MiB
constexpr size_t kBuffer = 1u << 20;
constexpr int kChunkShift = 32;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Number>
Number number_at(const std::byte* bytes) {
  Number value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Where the index begins, if the frame is whole.
std::optional<uint64_t> index_of(std::span<const std::byte> bytes, const std::string& settings) {
  if (bytes.size() < kHead + kTail) return std::nullopt;
  const std::string_view text = text_of(bytes);
  const std::byte* tail = bytes.data() + bytes.size() - kTail;
  if (text.substr(0, kHead) != std::string(kMagic) + settings || !text.ends_with(kEndMagic))
    return std::nullopt;
  const std::string framed =
      std::string(text.substr(0, kHead)) + std::string(text_of({tail, kTailNumbers}));
  if (crc32c(framed) != number_at<uint32_t>(tail + kTailNumbers)) return std::nullopt;
  const auto offset = number_at<uint64_t>(tail), count = number_at<uint64_t>(tail + 8);
  const uint64_t room = bytes.size() - kHead - kTail;
  if (count > room / kEntry || offset != bytes.size() - kTail - count * kEntry) return std::nullopt;
  if (crc32c(text.substr(offset, count * kEntry)) != number_at<uint32_t>(tail + 16))
    return std::nullopt;
  return offset;
}

}  // namespace

std::shared_ptr<Segment> Segment::open(const fs::path& path, const std::string& settings) {
  auto segment = std::make_shared<Segment>();
  segment->path_ = path;
  segment->file_.emplace(path);
  const std::span<const std::byte> bytes = segment->file_->bytes();
  const std::optional<uint64_t> index = index_of(bytes, settings);
  if (!index) return nullptr;
  segment->index_offset_ = *index;
  segment->count_ = (bytes.size() - kTail - *index) / kEntry;
  return segment;
}

uint64_t Segment::append(std::span<const uint32_t> record) {
  const bool fits =
      !chunks_.empty() && chunks_.back().capacity() - chunks_.back().size() >= record.size();
  if (!fits) chunks_.emplace_back().reserve(std::max(kChunkWords, record.size()));
  std::vector<uint32_t>& chunk = chunks_.back();
  const uint64_t offset = uint64_t{chunks_.size() - 1} << kChunkShift | chunk.size();
  chunk.insert(chunk.end(), record.begin(), record.end());
  return offset;
}

Record Segment::at(uint64_t offset) const {
  if (!file_) return Record(&chunks_[offset >> kChunkShift][offset & 0xffffffffu]);
  return Record(reinterpret_cast<const uint32_t*>(file_->bytes().data() + offset));
}

const std::byte* Segment::entry(size_t index) const {
  return file_->bytes().data() + index_offset_ + index * kEntry;
}

const RowDigest& Segment::key_of(size_t index) const {
  return *reinterpret_cast<const RowDigest*>(entry(index));
}

uint64_t Segment::offset_of(size_t index) const {
  return number_at<uint64_t>(entry(index) + sizeof(RowDigest));
}

std::optional<size_t> Segment::find(const RowDigest& key) const {
  size_t first = 0, last = count_;
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    if (key_of(middle) < key)
      first = middle + 1;
    else
      last = middle;
  }
  if (first == count_ || key_of(first) != key) return std::nullopt;
  return first;
}

std::span<const uint32_t> Segment::words_from(uint64_t offset) const {
  if (offset < kHead || offset >= index_offset_ || offset % sizeof(uint32_t) != 0) return {};
  return {reinterpret_cast<const uint32_t*>(file_->bytes().data() + offset),
          (index_offset_ - offset) / sizeof(uint32_t)};
}

std::vector<Record> Segment::line(size_t index, int32_t vocabulary) const {
  const std::optional<Record> first = whole_record(words_from(offset_of(index)), vocabulary);
  if (!first || first->key() != key_of(index)) return {};
  const bool is_pair = first->mark() == RowMark::kChosen;
  if (first->mark() == RowMark::kRejected || is_pair != ((first->flags() & kGoesOn) != 0))
    return {};
  if (!is_pair) return {*first};
  const std::optional<Record> second =
      whole_record(words_from(offset_of(*first) + first->words().size_bytes()), vocabulary);
  const bool fits = second && second->mark() == RowMark::kRejected && !(second->flags() & kGoesOn);
  return fits ? std::vector{*first, *second} : std::vector<Record>{};
}

uint64_t Segment::offset_of(const Record& record) const {
  return static_cast<uint64_t>(reinterpret_cast<const std::byte*>(record.words().data()) -
                               file_->bytes().data());
}

void Segment::release() const {
  if (file_) release_pages(file_->bytes());
}

void Segment::prefetch(uint64_t offset, size_t tokens) const {
  if (!file_) return;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t first = offset / page * page;
  const uint64_t last =
      std::min<uint64_t>(offset + (tokens + 64) * sizeof(uint32_t), file_->bytes().size());
  // Only advice.
  madvise(const_cast<std::byte*>(file_->bytes().data() + first), last - first, MADV_WILLNEED);
}

SegmentWriter::SegmentWriter(const fs::path& path, const std::string& settings)
    : path_(path), file_(path), head_(std::string(kMagic) + settings) {
  SLMTUNE_ASSERT(head_.size() == kHead, "settings are 32 digits");
  put(head_.data(), head_.size());
}

void SegmentWriter::put(const void* data, size_t size) {
  buffer_.append(static_cast<const char*>(data), size);
  bytes_ += size;
  if (buffer_.size() < kBuffer) return;
  file_.write(buffer_);
  buffer_.clear();
}

uint64_t SegmentWriter::append(std::span<const uint32_t> record, bool is_indexed) {
  const uint64_t offset = bytes_;
  if (is_indexed) entries_.push_back({Record(record.data()).key(), offset});
  put(record.data(), record.size_bytes());
  return offset;
}

void SegmentWriter::commit() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.key < b.key; });
  const auto same = [](const Entry& a, const Entry& b) { return a.key == b.key; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  static_assert(sizeof(Entry) == kEntry);
  const std::string_view index{reinterpret_cast<const char*>(entries_.data()),
                               entries_.size() * kEntry};
  std::string tail;
  const auto add = [&tail](auto number) {
    tail.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  add(bytes_);
  add(uint64_t{entries_.size()});
  add(crc32c(index));
  add(crc32c(head_ + tail));
  file_.write(buffer_);
  file_.write(index);
  file_.write(tail + std::string(kEndMagic));
  file_.commit();
}

}  // namespace slmtune::data
