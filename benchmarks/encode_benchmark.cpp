// Rates of the GGUF encodings on one core: encoding with and without importance, and decoding.
//
//   cmake --build --preset release && build/release/benchmarks/encode_benchmark
//   ... --benchmark_filter=q4_k
//
// items_per_second: parameters. encode_speed.py measures ggml beside it.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"

namespace {

using namespace slmtune::exporting;
using benchmark::State;
using slmtune::kernels::Instructions;

// 256 rows of a 7B model's width.
constexpr int64_t kRows = 256, kColumns = 4096;

// Near to normal, as weights are: sums of twelve even numbers.
std::vector<float> make_weights() {
  std::vector<float> values(kRows * kColumns);
  uint32_t state = 1;
  for (float& value : values) {
    float sum = -6.0f;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525u + 1013904223u;
      sum += static_cast<float>(state >> 8) * 0x1p-24f;
    }
    value = 0.02f * sum;
  }
  return values;
}

const std::vector<float>& weights() {
  static const std::vector<float> values = make_weights();
  return values;
}

std::vector<float> importance_of(bool given) {
  std::vector<float> importance(given ? kColumns : 0);
  for (size_t i = 0; i < importance.size(); ++i)
    importance[i] = 0.5f + static_cast<float>(i % 17) * 0.25f;
  return importance;
}

std::vector<std::byte> bytes_for(const Encoding& encoding) {
  return std::vector<std::byte>(
      static_cast<size_t>(kRows * kColumns / encoding.block * encoding.block_bytes));
}

void count(State& state) {
  state.SetItemsProcessed(state.iterations() * kRows * kColumns);
}

void encode(State& state, const Encoding& encoding, bool weighted) {
  const std::vector<float>& in = weights();
  const std::vector<float> importance = importance_of(weighted);
  std::vector<std::byte> out = bytes_for(encoding);
  for (auto _ : state) {
    encoding.encode(in, kColumns, importance, out);
    benchmark::ClobberMemory();
  }
  count(state);
}

void encode_with(State& state, const Encoding& encoding, const LaneEncoder& encoder) {
  const std::vector<float>& in = weights();
  std::vector<std::byte> out = bytes_for(encoding);
  for (auto _ : state) {
    encoder.encode(in, kColumns, {}, out);
    benchmark::ClobberMemory();
  }
  count(state);
}

void decode(State& state, const Encoding& encoding) {
  std::vector<float> out = weights();
  std::vector<std::byte> bytes = bytes_for(encoding);
  encoding.encode(out, kColumns, {}, bytes);
  for (auto _ : state) {
    encoding.decode(bytes, out);
    benchmark::ClobberMemory();
  }
  count(state);
}

void add(const std::string& name, const std::function<void(State&)>& body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->Unit(benchmark::kMillisecond);
}

void add_all() {
  for (const Encoding& encoding : encodings()) {
    const std::string name(encoding.name);
    const Encoding* each = &encoding;
    add("encode/" + name, [each](State& s) { encode(s, *each, false); });
    add("encode_importance/" + name, [each](State& s) { encode(s, *each, true); });
    add("decode/" + name, [each](State& s) { decode(s, *each); });
  }
  const char* const words[] = {"plain", "avx2", "avx512"};
  const std::pair<const char*, LaneEncoder LaneEncoders::*> encoders[] = {
      {"q2_k", &LaneEncoders::q2_k},
      {"q3_k", &LaneEncoders::q3_k},
      {"q4_k", &LaneEncoders::q4_k},
      {"q5_k", &LaneEncoders::q5_k},
      {"q6_k", &LaneEncoders::q6_k}};
  for (const auto& [name, encoder] : encoders)
    for (const Instructions use : slmtune::kernels::available_instructions()) {
      const Encoding* encoding = find_encoding(name);
      add(std::string("encode_") + words[static_cast<int>(use)] + "/" + name,
          [=, encoder = encoder](State& s) {
            encode_with(s, *encoding, lane_encoders(use).*encoder);
          });
    }
}

}  // namespace

int main(int count, char** words) {
  add_all();
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 64;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
