// Every bad file of the tables is refused with its own code. The rows here come on top of those
// that stand beside the readers' other tests (tests/core, tests/data, tests/models, tests/lora,
// tests/export, tests/store).
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "tests/hostile/bad_files.h"
#include "tests/support/raises.h"

namespace slmtune::testing {
namespace {

std::vector<BadFiles> all_tables() {
  return {bad_safetensors(),   bad_weight_indexes(), bad_gguf(),
          bad_json(),          bad_yaml(),           bad_configs(),
          bad_rows(),          bad_tokenizer_json(), bad_tokenizer_configs(),
          bad_sentencepiece(), bad_tekken(),         bad_chat_templates(),
          bad_adapters(),      bad_checkpoints(),    bad_manifests(),
          bad_aliases()};
}

class HostileFiles : public ::testing::TestWithParam<BadFiles> {};

TEST_P(HostileFiles, AreRefusedWithTheirCode) {
  std::set<std::string> names;
  for (const BadFile& row : GetParam().rows) {
    EXPECT_TRUE(names.insert(row.name).second) << "two rows are named " << row.name;
    const TempFolder folder;
    EXPECT_TRUE(raises(row.code, {row.part}, [&] { row.read(folder); }))
        << GetParam().format << ": " << row.name;
  }
}

std::string name_of(const ::testing::TestParamInfo<BadFiles>& info) {
  return info.param.format;
}

INSTANTIATE_TEST_SUITE_P(Every, HostileFiles, ::testing::ValuesIn(all_tables()), name_of);

TEST(HostileFileTables, HaveOver150Files) {
  size_t files = 0;
  std::string counts;
  for (const BadFiles& table : all_tables()) {
    files += table.rows.size();
    counts += " " + table.format + " " + std::to_string(table.rows.size());
  }
  std::printf("%zu bad files:%s\n", files, counts.c_str());
  EXPECT_GE(files, 150u);
}

// What the tables name after a published attack.
TEST(HostileFileTables, HaveTheShapesOfPublishedAttacks) {
  std::string names;
  for (const BadFiles& table : all_tables())
    for (const BadFile& row : table.rows) names += row.name + "\n";
  for (const char* attack :
       {"CVE-2026-33298", "CVE-2026-27940", "CVE-2025-53630", "CVE-2025-49847", "llama.cpp 25969",
        "llama.cpp 24997", "CVE-2026-7482", "Ollama 17042", "CVE-2024-37032", "CVE-2024-34359",
        "CVE-2026-5760", "CVE-2025-32434", "CVE-2026-24747", "js-yaml 742", "rapidyaml 656"})
    EXPECT_NE(names.find(attack), std::string::npos) << attack;
}

}  // namespace
}  // namespace slmtune::testing
