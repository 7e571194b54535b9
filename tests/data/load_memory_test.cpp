// Memory and time of loading many rows through the token cache. A program of its own, so that no
// other test raises the peak.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>

#include "core/log.h"
#include "core/seed.h"
#include "data/loader.h"
#include "data/packer.h"
#include "tests/data/small_tokenizer.h"
#include "tests/support/counts.h"

namespace slmtune::data {
namespace {

using testing::TempFolder;
namespace fs = std::filesystem;

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Questions and answers of some 250 tokens each, of words that are made up.
void write_rows(const fs::path& file, int64_t count) {
  SplitMix64 random(5);
  std::vector<std::string> words;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (uint64_t letters = 2 + random.below(7); letters > 0; --letters)
      word += static_cast<char>('a' + random.below(26));
    words.push_back(word);
  }
  std::ofstream out(file);
  for (int64_t row = 0; row < count; ++row) {
    std::string text[2];
    for (std::string& part : text)
      for (uint64_t left = 5 + random.below(35); left > 0; --left)
        part += words[random.below(words.size())] + " ";
    out << R"({"id":)" << row << R"(,"messages":[{"role":"user","content":")" << text[0]
        << R"("},{"role":"assistant","content":")" << text[1] << "\"}]}\n";
  }
}

TEST(LoadMemory, ManyRowsNeedLittleMemoryAndASecondLoadIsFast) {
  const int64_t count = testing::full_counts() ? 1'000'000 : 100'000;
  const double limit = 1024.0 * static_cast<double>(count) / 1e6;  // MiB: 1 GiB for a million rows
  TempFolder folder;
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  const Tokenizer tokenizer = testing::load(testing::small_tokenizer(), folder);
  const ChatTemplate& chat = ChatTemplate::by_name("chatml");
  write_rows(folder.path() / "a.jsonl", count);
  const std::vector<Source> sources = {{folder.path() / "a.jsonl", 1.0, ""}};
  const double before = peak_mib();
  const auto load = [&] {
    TokenCache cache(folder.path() / "cache", tokeniser_settings(tokenizer, &chat, "auto"),
                     tokenizer.size());
    Dataset data = load_dataset(sources, DataConfig{}, tokenizer, &chat, &cache);
    cache.finish();
    return data;
  };
  double started = now_seconds();
  const int64_t tokens = load().counts.tokens;
  const double first = now_seconds() - started;
  const double first_peak = peak_mib();
  started = now_seconds();
  const Dataset again = load();
  const double second = now_seconds() - started;
  EXPECT_EQ(again.counts.cached, count);
  EXPECT_EQ(again.counts.tokens, tokens);
  // Steps of an epoch, in an order that jumps about in the file.
  const std::vector<uint64_t> order = epoch_order(again.rows.size(), 7, 0);
  int64_t packed = 0;
  started = now_seconds();
  for (size_t step = 0; step < 2000; ++step)
    for (const MicroBatch& batch :
         pack(again.rows, std::span(order).subspan(16 * step, 16), 2048, true))
      packed += static_cast<int64_t>(batch.ids.size());
  const double packing = now_seconds() - started;
  std::printf(
      "%lld rows, %lld tokens (%.0f a row): first load %.2f s, second %.2f s (%.1f times as "
      "fast); peak %.0f MiB before, %.0f after the first, %.0f after all; packing %.1f us a row\n",
      static_cast<long long>(count), static_cast<long long>(tokens),
      static_cast<double>(tokens) / static_cast<double>(count), first, second, first / second,
      before, first_peak, peak_mib(), 1e6 * packing / 32000);
  EXPECT_GT(packed, 0);
  EXPECT_LT(peak_mib(), limit);
}

}  // namespace
}  // namespace slmtune::data
