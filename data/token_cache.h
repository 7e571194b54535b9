// Rows that were tokenised before: `<store>/cache/`, so that a load tokenises only new rows. A row
// is found by the bytes of its line; what else decides about its tokens (tokenizer, chat template,
// format, version of the program) is in the settings, of which each has files of its own. The
// limits on length are applied afterwards and decide nothing here.
//
//   TokenCache cache(store / "cache", tokeniser_settings(tokenizer, chat, "auto"),
//   tokenizer.size()); Dataset train = load_dataset(config.train, config, tokenizer, chat, &cache);
//   cache.finish();   // what no row used is dropped
//
// The files (data/row_segment.h) are for their owner alone, as all files of a store are, and appear
// by one rename. A damaged record is tokenised again and its file replaced. Programs that use the
// cache at once disturb each other at most by tokenising twice.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/row_segment.h"

namespace slmtune::data {

// 32 hexadecimal digits that are the same where the same text gives the same tokens.
std::string text_settings(const Tokenizer& tokenizer, const ChatTemplate* chat);
// The same with the shape of the rows and the version of this program.
std::string tokeniser_settings(const Tokenizer& tokenizer, const ChatTemplate* chat,
                               const std::string& format);

class TokenCache {
 public:
  // kRead: new rows stay in memory and nothing is written or deleted.
  enum class Use { kReadAndWrite, kRead };

  // Opens what is there; `folder` is made when the first row is written. `vocabulary`: ids are
  // below it.
  TokenCache(std::filesystem::path folder, std::string settings, int32_t vocabulary,
             Use use = Use::kReadAndWrite);

  struct Hit {
    uint16_t segment = 0;
    size_t entry = 0;
    std::vector<Record> records;  // of the line, in order
  };
  // For any thread. Damage counts as not found.
  std::optional<Hit> find(const RowDigest& key);
  // Not for several threads from here on.
  void use(const Hit& hit) { used_[hit.segment][hit.entry] = true; }

  struct Place {
    uint16_t segment = 0;
    uint64_t offset = 0;
  };
  // Adds the record of a new row. Its segment can be read after commit(). W001, W002, W004.
  Place add(std::span<const uint32_t> record, bool is_first_of_line);
  void commit();

  // Files and records that no row of this cache's life used are deleted, and files of settings that
  // were not used for a month; small files become one. A file that cannot be deleted stays.
  void finish();

  const std::vector<std::shared_ptr<Segment>>& segments() const { return segments_; }
  void release() const;

 private:
  std::filesystem::path new_path() const;
  void open_all();
  void write_again(const std::vector<size_t>& segments);

  std::filesystem::path folder_;
  std::string settings_;
  int32_t vocabulary_;
  Use use_;
  std::vector<std::shared_ptr<Segment>> segments_;  // null while its file is being written
  std::vector<std::vector<bool>> used_;             // by segment and entry
  std::vector<std::filesystem::path> damaged_;
  std::unique_ptr<SegmentWriter> writer_;  // of the last segment
  std::atomic<bool> found_damage_{false};
};

// Deletes a cache with everything in it, for rows that must be forgotten. W001, W003.
void delete_token_cache(const std::filesystem::path& folder);

}  // namespace slmtune::data
