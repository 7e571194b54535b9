// Bits that flip and files that end too early, by chance but the same in every run.
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/seed.h"

namespace slmtune::faults {

struct Damage {
  std::string file;  // name
  std::string what;  // "bit 17" or "cut at 4"
};

// Damages one file of `folder`: flips a bit, or every other time cuts the file at some byte.
inline Damage damage_one(const std::filesystem::path& folder, SplitMix64& random) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  const std::filesystem::path file = files[random.below(files.size())];
  std::string content = read_text_file(file);
  Damage damage{file.filename().string(), ""};
  if (random.below(2) == 0) {
    const uint64_t bit = random.below(8 * content.size());
    content[bit / 8] = static_cast<char>(content[bit / 8] ^ 1 << bit % 8);
    damage.what = "bit " + std::to_string(bit);
  } else {
    content.resize(random.below(content.size()));
    damage.what = "cut at " + std::to_string(content.size());
  }
  std::filesystem::remove(file);  // may be read-only
  std::ofstream(file, std::ios::binary) << content;
  return damage;
}

inline constexpr int kDamageCases = 1000;

}  // namespace slmtune::faults
