// How much each input column of a matrix matters: the mean square of what a text feeds into it.
// Encodings round important columns more carefully. The files are llama.cpp's imatrix files
// (tools/imatrix): GGUF with "<tensor>.in_sum2" and "<tensor>.counts", read and written, and the
// older .dat form, read only.
//
//   ImportanceMatrix matrix = read_importance("imatrix.gguf");
//   std::vector<float> weights = matrix.columns_of("blk.0.ffn_up.weight", 1536);
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "export/gguf/gguf.h"

namespace slmtune::exporting {

class ImportanceMatrix {
 public:
  struct Entry {
    std::vector<float> sums;  // Σ x² of each input column
    double count = 0.0;       // rows x that were added up
  };

  std::map<std::string, Entry> entries;  // by GGUF tensor name
  std::vector<std::string> datasets;     // what the text was called; may be empty
  uint32_t chunks = 0;                   // of `chunk_tokens`; for people
  uint32_t chunk_tokens = 0;
  std::string where = "importance matrix";  // its file, for messages

  // Weights of the tensor's columns, as llama.cpp's quantiser takes them: Σ x² / count, or 1 where
  // no row was counted. Empty for the embedding and the head when there is no entry for them, since
  // llama.cpp collects none by default. F111 no entry for another tensor, or of another width.
  std::vector<float> columns_of(const std::string& tensor, int64_t columns) const;

  // What a file that was made with it says about that.
  GgufMetadata file_keys() const;
};

// N001 missing; F09x a damaged GGUF file; F110 a file that is no importance matrix, sums without
// counts, a value that is negative or not finite.
ImportanceMatrix read_importance(const std::filesystem::path& path);

// In the GGUF form, tensors in the order of their names, replaced in one rename.
void write_importance(const ImportanceMatrix& matrix, const std::filesystem::path& path);

}  // namespace slmtune::exporting
