#include <gtest/gtest.h>

#include <limits>

#include "export/importance/importance_matrix.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::TempFolder;
using testing::thrown_code;

ImportanceMatrix two_entries() {
  ImportanceMatrix matrix;
  matrix.entries["blk.0.ffn_up.weight"] = {{2.0f, 4.0f, 0.0f, 1.0f}, 4};
  matrix.entries["blk.0.ffn_down.weight"] = {{9.0f, 3.0f}, 3};
  matrix.datasets = {"valid.jsonl"};
  matrix.chunks = 2;
  matrix.chunk_tokens = 512;
  return matrix;
}

TEST(Importance, AFileIsReadAsItWasWritten) {
  TempFolder folder;
  const ImportanceMatrix matrix = two_entries();
  write_importance(matrix, folder.path() / "imatrix.gguf");
  const ImportanceMatrix read = read_importance(folder.path() / "imatrix.gguf");
  ASSERT_EQ(read.entries.size(), 2u);
  for (const auto& [name, entry] : matrix.entries) {
    EXPECT_EQ(read.entries.at(name).sums, entry.sums);
    EXPECT_EQ(read.entries.at(name).count, entry.count);
  }
  EXPECT_EQ(read.datasets, matrix.datasets);
  EXPECT_EQ(read.chunks, 2u);
  EXPECT_EQ(read.chunk_tokens, 512u);
}

TEST(Importance, TheFileHasLlamaCppsKeysAndTensors) {
  TempFolder folder;
  write_importance(two_entries(), folder.path() / "imatrix.gguf");
  const GgufFile file = GgufFile::open(folder.path() / "imatrix.gguf");
  EXPECT_EQ(std::get<std::string>(file.metadata().at("general.type")), "imatrix");
  EXPECT_EQ(std::get<uint32_t>(file.metadata().at("imatrix.chunk_size")), 512u);
  std::vector<std::string> names;
  for (const GgufTensor& tensor : file.tensors()) names.push_back(tensor.name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "blk.0.ffn_down.weight.in_sum2", "blk.0.ffn_down.weight.counts",
                       "blk.0.ffn_up.weight.in_sum2", "blk.0.ffn_up.weight.counts"}));
  EXPECT_EQ(file.tensors()[0].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(file.tensors()[1].shape, (std::vector<int64_t>{1, 1}));
}

TEST(Importance, AColumnWeighsItsMeanSquare) {
  const ImportanceMatrix matrix = two_entries();
  EXPECT_EQ(matrix.columns_of("blk.0.ffn_up.weight", 4),
            (std::vector<float>{0.5f, 1.0f, 0.0f, 0.25f}));
}

TEST(Importance, ColumnsThatSawNothingWeighAlike) {
  ImportanceMatrix matrix = two_entries();
  matrix.entries["blk.0.ffn_down.weight"] = {{0.0f, 0.0f}, 0};
  EXPECT_EQ(matrix.columns_of("blk.0.ffn_down.weight", 2), (std::vector<float>{1.0f, 1.0f}));
}

TEST(Importance, EmbeddingAndHeadNeedNoEntry) {
  const ImportanceMatrix matrix = two_entries();
  EXPECT_TRUE(matrix.columns_of("token_embd.weight", 64).empty());
  EXPECT_TRUE(matrix.columns_of("output.weight", 64).empty());
}

TEST(Importance, TheMatrixOfAnotherModelIsRefused) {
  const ImportanceMatrix matrix = two_entries();
  EXPECT_EQ(thrown_code([&] { matrix.columns_of("blk.1.ffn_up.weight", 4); }), "F111");
  EXPECT_EQ(thrown_code([&] { matrix.columns_of("blk.0.ffn_up.weight", 8); }), "F111");
}

// The bytes of a .dat file.
class Dat {
 public:
  Dat& number(int32_t value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Dat& text(const std::string& text) {
    number(static_cast<int32_t>(text.size()));
    text_ += text;
    return *this;
  }
  Dat& sums(const std::vector<float>& values) {
    number(static_cast<int32_t>(values.size()));
    text_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    return *this;
  }
  const std::string& bytes() const { return text_; }

 private:
  std::string text_;
};

ImportanceMatrix read_dat(const std::string& bytes) {
  TempFolder folder;
  folder.write("imatrix.dat", bytes);
  return read_importance(folder.path() / "imatrix.dat");
}

TEST(Importance, OlderFilesAreRead) {
  const Dat dat = Dat().number(1).text("blk.0.ffn_up.weight").number(4).sums({2.0f, 8.0f});
  EXPECT_EQ(read_dat(dat.bytes()).columns_of("blk.0.ffn_up.weight", 2),
            (std::vector<float>{0.5f, 2.0f}));
  const Dat uncounted = Dat().number(1).text("a").number(0).sums({2.0f});
  EXPECT_EQ(read_dat(uncounted.bytes()).columns_of("a", 1), std::vector<float>{2.0f});
  Dat with_tail = dat;
  const ImportanceMatrix read = read_dat(with_tail.number(17).text("wiki.txt").bytes());
  EXPECT_EQ(read.chunks, 17u);
  EXPECT_EQ(read.datasets, std::vector<std::string>{"wiki.txt"});
}

TEST(Importance, EveryWayAnOlderFileCanBeWrongIsRefused) {
  const auto code = [](const Dat& dat) { return thrown_code([&] { read_dat(dat.bytes()); }); };
  EXPECT_EQ(code(Dat()), "F110");                                          // empty
  EXPECT_EQ(code(Dat().number(0)), "F110");                                // no entries
  EXPECT_EQ(code(Dat().number(-1)), "F110");                               // negative
  EXPECT_EQ(code(Dat().number(1).number(1 << 30)), "F110");                // name beyond the end
  EXPECT_EQ(code(Dat().number(1).text("a").number(1).number(0)), "F110");  // no columns
  EXPECT_EQ(code(Dat().number(1).text("a").number(1).number(7)), "F110");  // sums beyond the end
  EXPECT_EQ(code(Dat().number(1).text("a").number(1).sums({-1.0f})), "F110");  // no square
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(code(Dat().number(1).text("a").number(1).sums({nan})), "F110");
}

// Two tensors of float32 as a GGUF file.
void write_pair(const std::filesystem::path& path, const std::string& first,
                const std::string& second, uint32_t type = 0) {
  static const std::vector<float> value{1.0f};
  const uint64_t bytes = type == 0 ? 4 : 2;
  const auto fill = [bytes](const auto& write) {
    write(std::as_bytes(std::span(value)).first(bytes));
  };
  write_gguf(path, {{"general.type", std::string("imatrix")}},
             {{{first, {1, 1}, type, bytes}, fill}, {{second, {1, 1}, type, bytes}, fill}});
}

TEST(Importance, AGgufFileOfAnotherKindIsRefused) {
  TempFolder folder;
  const auto path = folder.path() / "a.gguf";
  const auto code = [&] { return thrown_code([&] { read_importance(path); }); };
  write_pair(path, "blk.0.ffn_up.weight", "blk.0.ffn_down.weight");
  EXPECT_EQ(code(), "F110");
  write_pair(path, "blk.0.ffn_up.weight.in_sum2", "blk.1.ffn_up.weight.counts");
  EXPECT_EQ(code(), "F110");
  write_pair(path, "blk.0.ffn_up.weight.in_sum2", "blk.0.ffn_up.weight.counts", /*type=*/1);
  EXPECT_EQ(code(), "F110");
  write_pair(path, "blk.0.ffn_up.weight.in_sum2", "blk.0.ffn_up.weight.counts");
  EXPECT_NO_THROW(read_importance(path));
}

TEST(Importance, AMissingFileIsSaidToBeMissing) {
  EXPECT_EQ(thrown_code([] { read_importance("no/such/imatrix.gguf"); }), "N001");
}

}  // namespace
}  // namespace slmtune::exporting
