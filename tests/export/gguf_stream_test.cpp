#include "export/gguf/gguf_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "core/error.h"
#include "core/shape.h"
#include "export/gguf/written_check.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::raises;

// float32 values 0, 1, 2, … that come in pieces of `piece` bytes.
PlannedTensor counting(std::vector<int64_t> shape, size_t piece = size_t{1} << 30) {
  const int64_t elements = shape_elements(shape);
  PlannedTensor planned;
  planned.name = "t";
  planned.encoding = find_encoding("f32");
  planned.source = {"t", DType::kF32, std::move(shape), [elements, piece](const auto& write) {
                      std::vector<float> values(static_cast<size_t>(elements));
                      std::iota(values.begin(), values.end(), 0.0f);
                      const auto bytes = std::as_bytes(std::span(values));
                      for (size_t first = 0; first < bytes.size(); first += piece)
                        write(bytes.subspan(first, std::min(piece, bytes.size() - first)));
                    }};
  return planned;
}

std::vector<float> streamed(EncodedStream& stream, size_t index) {
  std::vector<std::byte> bytes;
  stream.write(index, [&](auto part) { bytes.insert(bytes.end(), part.begin(), part.end()); });
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> upto(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(EncodedStream, GivesEveryValueOnceAndInOrderHoweverTheSourceCutsIt) {
  for (const size_t piece : {size_t{7}, size_t{4096}, size_t{1} << 30}) {
    const std::vector<PlannedTensor> plan{counting({3}, piece), counting({5, 1000}, piece),
                                          counting({2, 3, 4}, piece)};
    EncodedStream stream(plan);
    EXPECT_EQ(streamed(stream, 0), upto(3));
    EXPECT_EQ(streamed(stream, 1), upto(5000));
    EXPECT_EQ(streamed(stream, 2), upto(24));
  }
}

TEST(EncodedStream, CutsALargeTensorIntoRunsOfWholeRows) {
  const std::vector<PlannedTensor> plan{counting({400, 3001})};
  EncodedStream stream(plan);
  EXPECT_EQ(streamed(stream, 0), upto(400 * 3001));
  const WrittenTensor& written = stream.written()[0];
  ASSERT_GT(written.pieces.size(), 1u);
  EXPECT_EQ(written.pieces[0].bytes % (3001 * sizeof(float)), 0u);
  EXPECT_EQ(written.difference.worst, 0.0);
  EXPECT_EQ(written.difference.largest, 400.0 * 3001 - 1);
}

TEST(EncodedStream, ReordersTheRowsOfQueriesAndTheBiasOfThem) {
  PlannedTensor bias = counting({8}), matrix = counting({8, 2}, 12);
  bias.reordered_heads = matrix.reordered_heads = 2;
  const std::vector<PlannedTensor> plan{bias, matrix};
  EncodedStream stream(plan);
  EXPECT_EQ(streamed(stream, 0), (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(streamed(stream, 1),
            (std::vector<float>{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}));
}

TEST(EncodedStream, ThrowsWhatASourceThrowsWhenItsTurnComes) {
  std::vector<PlannedTensor> plan{counting({4, 4}), counting({4, 4})};
  plan[1].source.fill = [](const auto&) { throw std::runtime_error("gone"); };
  EncodedStream stream(plan);
  EXPECT_EQ(streamed(stream, 0), upto(16));
  EXPECT_THROW(streamed(stream, 1), std::runtime_error);
}

TEST(EncodedStream, ThrowsForAValueThatTheEncodingCannotHold) {
  std::vector<PlannedTensor> plan{counting({2, 70000})};
  plan[0].encoding = find_encoding("f16");  // up to 65504
  EncodedStream stream(plan);
  EXPECT_THROW(streamed(stream, 0), FileFormatError);
}

TEST(EncodedStream, MayBeGivenUpAtAnyPoint) {
  for (int taken = 0; taken < 3; ++taken) {
    const std::vector<PlannedTensor> plan(40, counting({100, 4096}));
    EncodedStream stream(plan);
    for (int i = 0; i < taken; ++i) streamed(stream, static_cast<size_t>(i));
  }
}

TEST(EncodedStream, ReadsOnlyALittleAhead) {
  std::atomic<int> filled = 0;
  std::vector<PlannedTensor> plan(4000, counting({16, 16}));
  for (PlannedTensor& planned : plan)
    planned.source.fill = [&filled, fill = planned.source.fill](const auto& write) {
      ++filled;
      fill(write);
    };
  EncodedStream stream(plan);
  streamed(stream, 0);
  std::this_thread::yield();
  EXPECT_LT(filled, 2000);
}

TEST(Compare, FindsWhatIsFurtherOffThanTheBoundAndWhatIsNoNumber) {
  const Encoding& encoding = *find_encoding("q8_0");
  std::vector<float> values(64, 1.0f), decoded = values;
  EXPECT_TRUE(compare(encoding, values, decoded).is_within_bound);
  decoded[40] = 1.001f;
  const Difference near = compare(encoding, values, decoded);
  EXPECT_TRUE(near.is_within_bound);
  EXPECT_NEAR(near.worst, 0.001, 1e-6);
  decoded[40] = 1.1f;
  EXPECT_FALSE(compare(encoding, values, decoded).is_within_bound);
  decoded[40] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(compare(encoding, values, decoded).is_within_bound);
}

// A file with one q8_0 tensor, and what is known of it.
struct WrittenFile {
  WrittenFile() : plan{counting({64, 64})} {
    plan[0].encoding = find_encoding("q8_0");
    EncodedStream stream(plan);
    write_gguf(path, {},
               {{table_entry(plan[0]), [&](const auto& write) { stream.write(0, write); }}});
    written = stream.written();
  }

  testing::TempFolder folder;
  std::filesystem::path path = folder.path() / "a.gguf";
  std::vector<PlannedTensor> plan;
  std::vector<WrittenTensor> written;
};

TEST(WrittenCheck, FindsAByteThatChangedInTheFile) {
  WrittenFile file;
  EXPECT_NO_THROW(check_written_file(file.plan, file.written, file.path));
  std::string bytes = testing::TempFolder::read(file.path);
  bytes[bytes.size() - 1000] ^= 4;
  file.folder.write("a.gguf", bytes);
  EXPECT_TRUE(raises("F095", {"'t' is not in the file as it was written"},
                     [&] { check_written_file(file.plan, file.written, file.path); }));
}

TEST(WrittenCheck, FindsATensorOfAnotherShapeAndOneTooMany) {
  WrittenFile file;
  std::vector<PlannedTensor> other = file.plan;
  other[0].source.shape = {32, 128};
  EXPECT_TRUE(raises("F095", {}, [&] { check_written_file(other, file.written, file.path); }));
  other.push_back(file.plan[0]);
  EXPECT_TRUE(raises("F095", {}, [&] { check_written_file(other, file.written, file.path); }));
}

TEST(WrittenCheck, HoldsAWeightedTensorToTheMeanOfSquares) {
  PlannedTensor planned = counting({1, 64});
  planned.encoding = find_encoding("q8_0");
  Difference found{.worst = 0.5,
                   .largest = 2.0,
                   .squares = 4.0,
                   .source_squares = 16.0,
                   .allowed_squares = 5.0,
                   .is_within_bound = false};
  EXPECT_TRUE(raises("F095", {}, [&] { check_difference(planned, found, "a.gguf"); }));
  const std::vector<float> importance(64, 1.0f);
  planned.importance = importance;
  const CheckedTensor checked = check_difference(planned, found, "a.gguf");
  EXPECT_EQ(checked.worst, 0.25);
  EXPECT_EQ(checked.rms, 0.5);
  found.allowed_squares = 3.0;
  EXPECT_TRUE(raises("F095", {}, [&] { check_difference(planned, found, "a.gguf"); }));
}

}  // namespace
}  // namespace slmtune::exporting
