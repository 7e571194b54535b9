// Tokenised rows. What a row holds lies in a record of a segment (data/row_segment.h), in memory or
// in a mapped file; here a row is 24 bytes that say where, so that a million rows need little
// memory.
//
//   for (const Row row : dataset.rows) use(row.ids(), row.label(3));
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/row_segment.h"

namespace slmtune::data {

// A view of one row: the first `length` tokens of a record. Cheap to copy; lives as long as its
// Rows.
class Row {
 public:
  Row(const Record& record, size_t length) : record_(record), length_(length) {}

  size_t size() const { return length_; }
  std::span<const int32_t> ids() const { return record_.ids().first(length_); }
  bool is_trained(size_t i) const { return record_.mask()[i / 32] >> (i % 32) & 1; }
  int32_t label(size_t i) const { return is_trained(i) ? record_.ids()[i] : kNotTrained; }
  RowMark mark() const { return record_.mark(); }
  int64_t trained() const;  // labels that carry loss, the first position excluded
  Tokens tokens() const;
  const Record& record() const { return record_; }

 private:
  Record record_;
  size_t length_;
};

// Labels of the first `length` tokens of a record that carry loss, the first position excluded.
int64_t trained_in(const Record& record, size_t length);

class Rows {
 public:
  // Where a row comes from and where it lies.
  struct Ref {
    uint64_t offset = 0;  // in its segment
    uint32_t length = 0;  // tokens that are used
    uint32_t line = 0;    // of its file, from 1
    uint16_t file = 0;    // of files()
    uint16_t segment = 0;
    uint8_t part = 0;  // of a line that gives several rows: 0, 1
  };

  size_t size() const { return refs_.size(); }
  bool empty() const { return refs_.empty(); }
  Row operator[](size_t i) const {
    const Ref& ref = refs_[i];
    return {segments_[ref.segment]->at(ref.offset), ref.length};
  }
  const Ref& ref(size_t i) const { return refs_[i]; }
  // Tokens of row i, without reading it.
  int64_t length(size_t i) const { return refs_[i].length; }
  // "faq.jsonl:12".
  std::string place(size_t i) const;
  // Whether row i > 0 is the row before it once more.
  bool is_copy(size_t i) const {
    return refs_[i].offset == refs_[i - 1].offset && refs_[i].segment == refs_[i - 1].segment;
  }
  // Whether row i stands in the same line as the row before it, which it belongs to.
  bool goes_on(size_t i) const { return refs_[i].part > 0; }

  const std::filesystem::path& segment_path(size_t i) const {  // empty in memory
    return segments_[refs_[i].segment]->path();
  }

  // Appends a copy in memory.
  void push_back(const Tokens& row, const std::string& file = "rows", uint32_t line = 0);

  // For the code that reads rows.
  void add(const Ref& ref) { refs_.push_back(ref); }
  uint16_t add_file(const std::string& file);  // its number; InternalError for more than 65,536
  void set_segments(std::vector<std::shared_ptr<Segment>> segments) {
    segments_ = std::move(segments);
  }
  uint16_t add_segment(std::shared_ptr<Segment> segment);
  // No rows, but the files and segments of `other`: for a part of its rows.
  static Rows like(const Rows& other);

  // Hands the memory of mapped files back.
  void release() const;
  // Asks the system to read rows that are needed soon.
  void prefetch(std::span<const uint64_t> rows) const;

  class Iterator {
   public:
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    Iterator(const Rows* rows, size_t at) : rows_(rows), at_(at) {}
    Row operator*() const { return (*rows_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    const Rows* rows_;
    size_t at_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  std::vector<Ref> refs_;
  std::vector<std::string> files_;
  std::vector<std::shared_ptr<Segment>> segments_;
};

}  // namespace slmtune::data
