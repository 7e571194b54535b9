#include "data/data_config.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::data {
namespace {

DataConfig parse(const std::string& text) {
  YamlReader yaml = YamlReader::from_string(text, "r.yaml");
  DataConfig config = DataConfig::fields().read(yaml.section("data"));
  yaml.finish();
  return config;
}

std::vector<std::string> codes(const std::string& text) {
  try {
    parse(text);
    return {};
  } catch (const UserError& error) {
    std::vector<std::string> result;
    for (const Diagnostic& one : error.diagnostics()) result.push_back(one.code);
    return result;
  }
}

TEST(DataConfig, TakesTrainInEveryForm) {
  EXPECT_EQ(parse("data: {train: a.jsonl}").train.at(0).path, "a.jsonl");
  EXPECT_EQ(parse("data: {train: [a.jsonl, b.jsonl]}").train.at(1).path, "b.jsonl");
  const DataConfig config = parse("data: {train: [{path: a.jsonl, weight: 2.5}, {path: b.jsonl}]}");
  EXPECT_EQ(config.train.at(0).weight, 2.5);
  EXPECT_EQ(config.train.at(1).weight, 1.0);
  EXPECT_EQ(parse("data: {train: {path: a.jsonl}}").train.size(), 1u);
  EXPECT_EQ(config.max_tokens, 2048);
  EXPECT_TRUE(config.pack);
}

TEST(DataConfig, TakesValidAsPathOrFraction) {
  EXPECT_EQ(parse("data: {train: a.jsonl, valid: v.jsonl}").valid, "v.jsonl");
  EXPECT_EQ(parse("data: {train: a.jsonl, valid: {path: v.jsonl}}").valid, "v.jsonl");
  EXPECT_EQ(parse("data: {train: a.jsonl, valid: {fraction: 0.05}}").valid_fraction, 0.05);
}

TEST(DataConfig, TakesReplay) {
  EXPECT_EQ(parse("data: {train: a.jsonl}").replay.fraction, 0.0);
  EXPECT_EQ(parse("data: {train: a.jsonl, replay: {fraction: 0.1}}").replay.fraction, 0.1);
  EXPECT_EQ(parse("data: {train: a.jsonl, replay: null}").replay.fraction, 0.0);
}

TEST(DataConfig, AFolderStandsForItsFiles) {
  testing::TempFolder folder;
  folder.write("train.jsonl", "");
  folder.write("valid.jsonl", "");
  const DataConfig config = parse("data: {train: " + folder.path().string() + "}");
  EXPECT_EQ(config.train.at(0).path, folder.path() / "train.jsonl");
  EXPECT_EQ(config.valid, folder.path() / "valid.jsonl");
}

TEST(DataConfig, RefusesMistakes) {
  using Codes = std::vector<std::string>;
  EXPECT_EQ(codes("data: {}"), Codes{"R006"});
  EXPECT_EQ(codes("data: {train: []}"), Codes{"R006"});
  EXPECT_EQ(codes("data: {train: [{weight: 2}]}"), Codes{"R006"});
  EXPECT_EQ(codes("data: {train: [{path: a, weight: 0}]}"), Codes{"R004"});
  EXPECT_EQ(codes("data: {train: [{path: a, wieght: 2}]}"), Codes{"R012"});
  EXPECT_EQ(codes("data: {train: a, max_tokens: 8}"), Codes{"R004"});
  EXPECT_EQ(codes("data: {train: a, too_long: cut}"), Codes{"R005"});
  EXPECT_EQ(codes("data: {train: a, format: csv}"), Codes{"R005"});
  EXPECT_EQ(codes("data: {train: a, format: preferences}"), Codes{"R005"});
  EXPECT_EQ(codes("data: {train: [a, b, ./a]}"), Codes{"R007"});
  EXPECT_EQ(codes("data: {train: a, pack: yes}"), Codes{"R023"});
  EXPECT_EQ(codes("data: {train: a, valid: {path: v, fraction: 0.1}}"), Codes{"R007"});
  EXPECT_EQ(codes("data: {train: a, replay: {fraction: 1.5}}"), Codes{"R004"});
  EXPECT_EQ(codes("data: {train: a, replay: {share: 0.1}}"), Codes{"R012"});
  EXPECT_EQ(codes("data: {train: a, replay: 0.1}"), Codes{"R003"});
}

}  // namespace
}  // namespace slmtune::data
