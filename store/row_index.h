// rows.index of a snapshot: which rows its weights have seen, so that `snapshots forget` finds it
// after the rows are gone from the data file. No text of a row is in it: a row, and each short
// field of a row, is a digest (data/row_keys.h) that is hashed again with the store's own secret
// key, so that whoever is given the snapshot cannot try out values.
//
//   bytes  0-7   "SLMROWS1"
//          8-15  first 8 bytes of SHA-256 of the key
//         16-23  flags: 1 = a snapshot that training went on from has no index (little-endian)
//         24-31  number of own digests
//         32-39  number of inherited digests: of snapshots that training went on from
//         40-    own digests, then the inherited ones, 16 bytes each, sorted
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace slmtune::store {

inline constexpr const char* kRowIndexName = "rows.index";

using RowDigest = std::array<unsigned char, 16>;

// The secret of one store, in `<store>/row.key`.
class RowKey {
 public:
  // Makes the file when it is missing; the caller holds the store's lock. W001 to W004.
  static RowKey create_or_read(const std::filesystem::path& store);
  // Nothing when the store has no key: none of its snapshots has an index. S011 damaged.
  static std::optional<RowKey> read(const std::filesystem::path& store);

  RowDigest hide(const RowDigest& digest) const;
  const std::string& id() const { return id_; }

 private:
  explicit RowKey(std::string bytes);
  std::string bytes_, id_;
};

class RowIndex {
 public:
  // Nothing when the file is missing or was made with another key. S011 damaged.
  static std::optional<RowIndex> read(const std::filesystem::path& folder, const RowKey& key);

  // The same, and nothing when it is damaged.
  static std::optional<RowIndex> read_whole(const std::filesystem::path& folder, const RowKey& key);

  bool has_own(const RowDigest& hidden) const;
  bool has_inherited(const RowDigest& hidden) const;
  bool is_complete() const { return is_complete_; }

 private:
  friend void write_row_index(const std::filesystem::path& staging, const RowKey& key,
                              std::span<const RowDigest> digests,
                              std::span<const std::filesystem::path> origins);
  std::vector<RowDigest> own_, inherited_;
  bool is_complete_ = true;
};

// Writes the index of a snapshot that is about to be published into its folder. `digests`: of the
// rows that were trained and of their fields, in any order. `origins`: folders of the store's
// snapshots whose weights training went on from.
void write_row_index(const std::filesystem::path& staging, const RowKey& key,
                     std::span<const RowDigest> digests,
                     std::span<const std::filesystem::path> origins);

}  // namespace slmtune::store
