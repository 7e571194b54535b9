// Many records (data/row_record.h) in one piece: in memory, or a file that is mapped, never changed
// and written at once. A file has an index by key and may be damaged or hostile: open() checks its
// frame, line() each record before it is used.
//
//   bytes  0-7   "SLMTOKS1"
//          8-39  what the records were made with: 32 hexadecimal digits
//         40-    records
//          …     index: per record its key (16 bytes) and its offset (8 bytes), by key
//          …     offset and number of entries of the index (8 bytes each), its CRC-32C, the CRC-32C
//                of bytes 0-39 and of these 20 bytes, "SLMTOKE1"
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/mapped_file.h"
#include "data/row_record.h"

namespace slmtune::data {

class Segment {
 public:
  // An empty one in memory.
  Segment() = default;

  // Nothing when the file is no segment made with `settings`, or is damaged; N001, W001.
  static std::shared_ptr<Segment> open(const std::filesystem::path& path,
                                       const std::string& settings);

  // Only in memory: the offset of the new record.
  uint64_t append(std::span<const uint32_t> record);

  // The record at an offset that append() gave, or of a record that line() gave.
  Record at(uint64_t offset) const;

  // Entries of the index, which stand in the order of their keys.
  size_t size() const { return count_; }
  std::optional<size_t> find(const RowDigest& key) const;
  uint64_t offset_of(size_t entry) const;
  const RowDigest& key_of(size_t entry) const;
  // The rows of the line that an entry is about, one or a pair; none when a record is not whole or
  // has not the entry's key.
  std::vector<Record> line(size_t entry, int32_t vocabulary) const;
  uint64_t offset_of(const Record& record) const;

  // Hands the memory of a mapped file back; what is read again comes from the file.
  void release() const;
  // Asks the system to have the record read before it is needed.
  void prefetch(uint64_t offset, size_t tokens) const;

  const std::filesystem::path& path() const { return path_; }  // empty in memory

 private:
  const std::byte* entry(size_t index) const;
  std::span<const uint32_t> words_from(uint64_t offset) const;

  std::filesystem::path path_;
  std::optional<MappedFile> file_;
  uint64_t index_offset_ = 0;
  size_t count_ = 0;
  std::vector<std::vector<uint32_t>> chunks_;  // in memory; offset = chunk << 32 | word
};

// Writes a segment's file; without commit() nothing remains.
class SegmentWriter {
 public:
  SegmentWriter(const std::filesystem::path& path, const std::string& settings);

  // The record's offset in the file. Only records with `is_indexed` are found by their key.
  uint64_t append(std::span<const uint32_t> record, bool is_indexed);
  uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  void commit();  // W001, W002

 private:
  struct Entry {
    RowDigest key;
    uint64_t offset;
  };
  void put(const void* data, size_t size);

  std::filesystem::path path_;
  AtomicFile file_;
  std::string head_, buffer_;
  uint64_t bytes_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace slmtune::data
