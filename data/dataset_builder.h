// Rows that were read → a Dataset: limits on length, weights, counts.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/line_tokeniser.h"
#include "data/loader.h"

namespace slmtune::data {

class DatasetBuilder {
 public:
  // `cache` may be null: rows are then kept in memory.
  DatasetBuilder(const DataConfig& config, TokenCache* cache);

  // Lines that are added from here on are of this file.
  void begin_file(const std::string& file, double weight);
  // A line without faults.
  void add(const TokenisedLine& line, int64_t number);
  int64_t lost_systems() const { return lost_systems_; }  // of the file

  // D010; D001 when no row is left. `first_file` names where they come from.
  Dataset finish(const std::string& first_file);

 private:
  std::string place(int64_t number) const;
  bool fit(const std::vector<Record>& records, int64_t number, std::vector<size_t>& lengths);
  bool shorten(const std::vector<Record>& records, std::vector<size_t>& lengths);
  std::vector<TokenCache::Place> store(const TokenisedLine& line,
                                       const std::vector<Record>& records, bool is_kept);
  void keep(const Record& record, size_t length, const Rows::Ref& ref);
  [[noreturn]] void refuse(const std::string& file);

  const DataConfig& config_;
  TokenCache* cache_;
  std::shared_ptr<Segment> memory_;
  Dataset data_;
  std::string file_;
  uint16_t file_number_ = 0;
  double weight_ = 1.0;
  int64_t lost_systems_ = 0;
  std::vector<RowDigest> contents_;
  std::vector<Diagnostic> refused_;
  int64_t too_long_ = 0;
  size_t longest_ = 0;
};

}  // namespace slmtune::data
