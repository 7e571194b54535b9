// The fuzz targets without libFuzzer: each reads its seeds, and each seed with seeded damage.
// Serves compilers that have no fuzzer, and the readers that need LibTorch.
//
//   fuzz_replay SEEDS_FOLDER
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "core/log.h"
#include "core/seed.h"
#include "tests/fuzz/fuzz_target.h"

namespace slmtune::fuzz {
namespace {

namespace fs = std::filesystem;

// One of the changes that libFuzzer makes too: a byte, a run of bytes left out, doubled or moved,
// the end cut off.
std::string damaged(std::string bytes, SplitMix64& random) {
  for (uint64_t changes = 1 + random.below(4); changes > 0 && !bytes.empty(); --changes) {
    const size_t at = random.below(bytes.size());
    const size_t length = std::min<size_t>(1 + random.below(16), bytes.size() - at);
    switch (random.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        bytes[at] = "0\"{}[],:-9\xFF"[random.below(11)];
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        bytes.replace(random.below(bytes.size()), 0, bytes.substr(at, length));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

void run(const Target& target, const std::string& seed, const std::string& input) {
  try {
    target.run(input);
  } catch (const std::exception& error) {
    const std::string file = std::string("fault-") + target.name;
    std::FILE* stream = std::fopen(file.c_str(), "wb");
    if (stream != nullptr) {
      std::fwrite(input.data(), 1, input.size(), stream);
      std::fclose(stream);
    }
    std::fprintf(stderr, "%s: %s; the input, made from seed %s, is in %s\n", target.name,
                 error.what(), seed.c_str(), file.c_str());
    std::exit(1);
  }
}

// Number of inputs read; exits at the first fault.
size_t replay(const Target& target, const fs::path& seeds, size_t rounds) {
  size_t inputs = 0;
  SplitMix64 random(derive_seed(1, target.name));
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(seeds)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string seed = testing::TempFolder::read(file);
    run(target, file.filename(), seed);
    for (size_t round = 0; round < rounds; ++round)
      run(target, file.filename(), damaged(seed, random));
    inputs += 1 + rounds;
  }
  return inputs;
}

int replay_all(const fs::path& seeds) {
  set_up_log(Verbosity::kQuiet, false);
  const char* counts = std::getenv("SLMTUNE_COUNTS");
  const size_t rounds = counts != nullptr && std::string_view(counts) == "full" ? 20'000 : 200;
  for (const Target* target : targets()) {
    const size_t inputs = replay(*target, seeds / target->name, rounds);
    std::printf("%-16s %zu inputs read or refused\n", target->name, inputs);
    if (inputs == 0) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace slmtune::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s SEEDS_FOLDER\n", arguments[0]);
    return 64;
  }
  return slmtune::fuzz::replay_all(arguments[1]);
}
