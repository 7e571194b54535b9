#include "ops/deploy/deploy_state.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

Deployed model(int64_t number) {
  Deployed one;
  one.number = number;
  one.file = "exports/x.gguf";
  one.sha256 = std::string(64, static_cast<char>('0' + number));
  one.name = "000" + std::to_string(number);
  return one;
}

TEST(DeployState, IsReadAsItWasWritten) {
  testing::TempFolder folder;
  DeployState state = read_state(folder.path(), "office");
  EXPECT_FALSE(state.current);
  state.kind = "llama-server";
  state.current = model(2);
  state.current->pid = 4711;
  state.current->start_ticks = 99;
  state.current->port = 8080;
  state.pending = model(3);
  state.pending->is_checked = state.pending->is_adapter = true;
  state.earlier = {model(1)};
  state.failed_number = 3;
  state.failed_code = "V002";
  state.is_paused = true;
  write_state(folder.path(), state);
  const DeployState read = read_state(folder.path(), "office");
  EXPECT_EQ(read.current->pid, 4711);
  EXPECT_EQ(read.current->start_ticks, 99u);
  EXPECT_TRUE(read.current->same_file(*state.current));
  EXPECT_TRUE(read.pending->is_checked && read.pending->is_adapter);
  EXPECT_EQ(read.earlier.size(), 1u);
  EXPECT_EQ(read.failed_code, "V002");
  EXPECT_TRUE(read.is_paused);
  EXPECT_EQ(deployed_targets(folder.path()), std::vector<std::string>({"office"}));
}

TEST(DeployState, AChangedOrCutRecordIsNotTrusted) {
  testing::TempFolder folder;
  DeployState state;
  state.target = "office";
  write_state(folder.path(), state);
  const auto file = state_file(folder.path(), "office");
  const std::string text = testing::TempFolder::read(file);
  for (const std::string& bad : {text.substr(0, text.size() / 2), std::string("{}"),
                                 std::string(text).replace(text.find("office"), 6, "Office")}) {
    folder.write("deploy/office.json", bad);
    EXPECT_EQ(testing::thrown_code([&] { read_state(folder.path(), "office"); }), "V008");
  }
}

TEST(DeployState, AnExchangeRemembersWhereARollbackGoes) {
  DeployState state;
  state.pending = model(1);
  state.exchange();
  EXPECT_TRUE(state.earlier.empty());
  state.pending = model(2);
  state.exchange();
  EXPECT_EQ(state.current->number, 2);
  EXPECT_EQ(state.leaving->number, 1);
  ASSERT_EQ(state.earlier.size(), 1u);
  state.pending = model(2);  // brought again
  state.exchange();
  EXPECT_EQ(state.earlier.size(), 1u);
  state.pending = state.earlier.back();
  state.pending->is_return = true;
  state.exchange();
  EXPECT_EQ(state.current->number, 1);
  EXPECT_TRUE(state.earlier.empty());
}

TEST(DeployState, ANameBelongsToItsBytes) {
  DeployState state;
  state.current = model(2);
  state.current->name = "faq-0002.gguf";
  EXPECT_TRUE(state.has_name("faq-0002.gguf"));
  EXPECT_EQ(state.free_name("faq-0002", ".gguf", model(2)), "faq-0002.gguf");
  EXPECT_EQ(state.free_name("faq-0002", ".gguf", model(3)), "faq-0002-33333333.gguf");
  state.earlier = {model(1)};
  EXPECT_EQ(state.free_name("0001", "", model(4)), "0001-44444444");
  EXPECT_EQ(state.free_name("0005", "", model(4)), "0005");
}

}  // namespace
}  // namespace slmtune::ops
