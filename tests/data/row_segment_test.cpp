#include "data/row_segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "core/crc32c.h"
#include "core/seed.h"
#include "data/rows.h"
#include "tests/support/temp_folder.h"

namespace slmtune::data {
namespace {

using testing::TempFolder;

const std::string kSettings(32, 'a');
constexpr int32_t kVocabulary = 1000;

RowKeys keys_of(const std::string& text) {
  return {digest_of(text), {digest_of("field " + text)}, {}};
}

std::vector<uint32_t> record_of(int32_t number, uint32_t flags = 0) {
  std::vector<uint32_t> words;
  const std::string text = std::to_string(number);
  const Tokens tokens{{number, 1, 2, 3, 4}, {kNotTrained, 1, kNotTrained, 3, 4}};
  append_record(tokens, keys_of(text), {digest_of(text), flags, 7}, words);
  return words;
}

std::filesystem::path segment_of(const TempFolder& folder, int32_t records) {
  SegmentWriter writer(folder.path() / "a.rows", kSettings);
  for (int32_t i = 0; i < records; ++i) writer.append(record_of(i), true);
  writer.commit();
  return writer.path();
}

TEST(Record, KeepsIdsLabelsKeysAndNumber) {
  const std::vector<uint32_t> words = record_of(9, kLosesSystem);
  const auto record = whole_record(words, kVocabulary);
  ASSERT_TRUE(record);
  EXPECT_EQ(std::vector(record->ids().begin(), record->ids().end()),
            (std::vector<int32_t>{9, 1, 2, 3, 4}));
  EXPECT_EQ(record->mask()[0], 0b11010u);
  EXPECT_EQ(record->number(), 7u);
  EXPECT_EQ(record->flags(), kLosesSystem);
  EXPECT_EQ(record->row_key(), keys_of("9").row);
  ASSERT_EQ(record->field_keys().size(), 1u);
  EXPECT_EQ(record->field_keys()[0], keys_of("9").fields[0]);
  const std::vector<uint32_t> copy = renumbered(*record, record->row_key(), 8);
  const auto other = whole_record(copy, kVocabulary);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->number(), 8u);
  EXPECT_EQ(other->key(), record->row_key());
  EXPECT_EQ(other->content(), record->content());
}

TEST(Record, WhateverBitChangesItIsNotTaken) {
  const std::vector<uint32_t> words = record_of(9);
  for (size_t bit = 0; bit < words.size() * 32; ++bit) {
    std::vector<uint32_t> damaged = words;
    damaged[bit / 32] ^= 1u << (bit % 32);
    EXPECT_FALSE(whole_record(damaged, kVocabulary)) << bit;
  }
  for (size_t length = 0; length < words.size(); ++length)
    EXPECT_FALSE(whole_record(std::span(words).first(length), kVocabulary));
  EXPECT_FALSE(whole_record(words, 9)) << "an id that the vocabulary does not have";
}

TEST(Segment, FindsEveryRecordByItsKeyAndNoOther) {
  TempFolder folder;
  const auto segment = Segment::open(segment_of(folder, 100), kSettings);
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->size(), 100u);
  for (int32_t i = 0; i < 100; ++i) {
    const auto entry = segment->find(digest_of(std::to_string(i)));
    ASSERT_TRUE(entry);
    const std::vector<Record> line = segment->line(*entry, kVocabulary);
    ASSERT_EQ(line.size(), 1u);
    EXPECT_EQ(line[0].ids()[0], i);
    EXPECT_EQ(segment->at(segment->offset_of(*entry)).ids()[0], i);
  }
  EXPECT_FALSE(segment->find(digest_of("100")));
}

// A record of a line with several, under the key "pair".
std::vector<uint32_t> part_of_pair(RowMark mark, uint32_t flags) {
  std::vector<uint32_t> words;
  append_record({{1, 2}, {kNotTrained, 2}, mark}, keys_of("pair"), {digest_of("pair"), flags, 0},
                words);
  return words;
}

TEST(Segment, APairIsTakenWholeOrNotAtAll) {
  using Parts = std::vector<std::vector<uint32_t>>;
  const auto rows_in = [](const Parts& parts) {
    TempFolder folder;
    SegmentWriter writer(folder.path() / "a.rows", kSettings);
    for (size_t i = 0; i < parts.size(); ++i) writer.append(parts[i], i == 0);
    writer.commit();
    const auto segment = Segment::open(writer.path(), kSettings);
    return segment->line(0, kVocabulary).size();
  };
  const auto chosen = part_of_pair(RowMark::kChosen, kGoesOn);
  const auto rejected = part_of_pair(RowMark::kRejected, 0);
  EXPECT_EQ(rows_in({chosen, rejected}), 2u);
  EXPECT_EQ(rows_in({chosen}), 0u);
  EXPECT_EQ(rows_in({chosen, chosen}), 0u);
  EXPECT_EQ(rows_in({rejected}), 0u);
  EXPECT_EQ(rows_in({part_of_pair(RowMark::kNone, kGoesOn), rejected}), 0u);
  EXPECT_EQ(rows_in({part_of_pair(RowMark::kGood, 0)}), 1u);
}

TEST(Segment, RecordsInMemoryStayWhereTheyAre) {
  Segment segment;
  std::vector<uint64_t> offsets;
  for (int32_t i = 0; i < 100000; ++i) offsets.push_back(segment.append(record_of(i % 900)));
  const std::vector<uint32_t> large(3u << 20, 5);
  offsets.push_back(segment.append(large));
  for (size_t i = 0; i < 100000; ++i)
    ASSERT_EQ(segment.at(offsets[i]).ids()[0], static_cast<int32_t>(i % 900));
}

TEST(Segment, OfOtherSettingsOrCutOffIsNotOpened) {
  TempFolder folder;
  const auto path = segment_of(folder, 20);
  EXPECT_FALSE(Segment::open(path, std::string(32, 'b')));
  const std::string whole = TempFolder::read(path);
  for (size_t length = 0; length < whole.size(); length += 29)
    EXPECT_FALSE(Segment::open(folder.write("cut.rows", whole.substr(0, length)), kSettings));
}

// Who makes a file by hand can make its checksums right as well.
TEST(Record, NumbersThatLieAreRefusedThoughTheChecksumIsRight) {
  const std::vector<uint32_t> whole = record_of(9);
  SplitMix64 random(2);
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint32_t> words = whole;
    const uint32_t values[] = {
        0, 1, 31, 33, 0xffff, 0x7fffffff, 0xffffffff, static_cast<uint32_t>(random.next())};
    for (uint64_t i = 0; i <= random.below(2); ++i)
      words[1 + random.below(5)] = values[random.below(8)];
    const size_t claimed = std::min<size_t>(words[1], words.size());
    if (claimed < 2) continue;
    words[0] = crc32c({reinterpret_cast<const char*>(&words[1]), (claimed - 1) * 4});
    const auto record = whole_record(words, kVocabulary);
    if (!record) continue;
    ++taken;
    const auto* end = reinterpret_cast<const std::byte*>(words.data() + words.size());
    EXPECT_LE(std::as_bytes(record->mask()).data() + record->mask().size_bytes(), end);
    EXPECT_LE(trained_in(*record, record->ids().size()), 5);
  }
  EXPECT_GT(taken, 0);
}

TEST(Segment, AnIndexThatLiesStaysInTheFile) {
  TempFolder folder;
  const std::string whole = TempFolder::read(segment_of(folder, 20));
  const size_t tail = whole.size() - 32, index = tail - 20 * 24;
  SplitMix64 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    for (size_t entry = 0; entry < 20; ++entry) {
      uint64_t offset = round % 2 ? random.next() : random.below(whole.size() + 100);
      if (round % 3 == 0) offset &= ~uint64_t{3};
      std::memcpy(&bytes[index + entry * 24 + 16], &offset, sizeof offset);
    }
    const uint32_t of_index = crc32c(std::string_view(bytes).substr(index, 20 * 24));
    std::memcpy(&bytes[tail + 16], &of_index, sizeof of_index);
    const uint32_t of_frame = crc32c(bytes.substr(0, 40) + bytes.substr(tail, 20));
    std::memcpy(&bytes[tail + 20], &of_frame, sizeof of_frame);
    const auto segment = Segment::open(folder.write("b.rows", bytes), kSettings);
    ASSERT_TRUE(segment);
    for (size_t entry = 0; entry < segment->size(); ++entry)
      for (const Record& record : segment->line(entry, kVocabulary))
        EXPECT_EQ(record.key(), segment->key_of(entry));
  }
}

TEST(Segment, DamageNeverGivesAnotherRow) {
  TempFolder folder;
  const std::string whole = TempFolder::read(segment_of(folder, 20));
  SplitMix64 random(1);
  for (int round = 0; round < 400; ++round) {
    std::string damaged = whole;
    for (uint64_t i = 0; i <= random.below(3); ++i)
      damaged[random.below(whole.size())] = static_cast<char>(random.next());
    const auto segment = Segment::open(folder.write("bad.rows", damaged), kSettings);
    if (!segment) continue;
    for (int32_t i = 0; i < 20; ++i) {
      const auto entry = segment->find(digest_of(std::to_string(i)));
      if (!entry) continue;
      for (const Record& record : segment->line(*entry, kVocabulary))
        EXPECT_EQ(record_of(i), std::vector(record.words().begin(), record.words().end()));
    }
  }
}

}  // namespace
}  // namespace slmtune::data
