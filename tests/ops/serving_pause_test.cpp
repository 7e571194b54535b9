// Servers give their memory back for training, and serve again however it ends.
#include "ops/deploy/serving_pause.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "ops/deploy/target.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

// A place that is loaded or not.
class Loadable : public Place {
 public:
  explicit Loadable(bool& loaded, bool broken = false) : loaded_(loaded), broken_(broken) {}

  bool unload(const DeployState&) override {
    if (broken_) throw UnavailableError("V001", "http://127.0.0.1:1", "not reached");
    return std::exchange(loaded_, false);
  }
  void load(DeployState&, const SaveState& save) override {
    loaded_ = true;
    save();
  }

  std::string where(const Deployed&) const override { return "here"; }
  std::string fault(const Deployed&, bool) override { return ""; }
  void recover(DeployState&, const SaveState&) override {}
  void prepare(DeployState&, const SaveState&) override {}
  ProbeResult probe(const Deployed&, const Probe&) override { return {}; }
  std::optional<double> activate(DeployState&, const SaveState&) override { return {}; }
  void discard(const DeployState&) noexcept override {}
  void forget(const Deployed&, const DeployState&) override {}

 private:
  bool& loaded_;
  bool broken_;
};

class Pause : public ::testing::Test {
 protected:
  Pause() {
    for (const char* name : {"office", "lab"}) {
      DeployState state;
      state.target = name;
      state.kind = "llama-server";
      state.current = Deployed{};
      write_state(folder.path(), state);
    }
  }
  std::vector<ServedTarget> targets(bool broken = false) {
    std::vector<ServedTarget> all;
    for (const std::string name : {"office", "lab"})
      all.push_back(
          {name,
           std::make_unique<Loadable>(name == "lab" ? lab : office, broken && name == "office"),
           is_paused(name.c_str()), nullptr});
    return all;
  }
  std::unique_ptr<ServingPause> when_short(uint64_t needed, uint64_t free) {
    return pause_when_short(folder.path(), "slmtune train faq.yaml",
                            limits(needed, [free] { return free; }),
                            [&](const std::filesystem::path&) {
                              ++looked;
                              return targets();
                            });
  }
  bool is_paused(const char* name) const { return read_state(folder.path(), name).is_paused; }
  PauseLimits limits(uint64_t needed, std::function<uint64_t()> free) {
    return {needed, std::move(free), 0.05, 0.001};
  }

  testing::TempFolder folder;
  bool office = true, lab = true;
  int looked = 0;  // how often somebody wanted to know the targets
};

TEST_F(Pause, UnloadsWaitsAndLoadsAgain) {
  int asked = 0;
  {
    const ServingPause pause(folder.path(), targets(), "x",
                             limits(100, [&] { return ++asked < 4 ? 50 : 100; }));
    EXPECT_FALSE(office || lab);
    EXPECT_EQ(asked, 4);
  }
  EXPECT_TRUE(office && lab);
}

TEST_F(Pause, WhenTheMemoryDoesNotComeEverybodyServesAgain) {
  EXPECT_EQ(
      testing::thrown([&] {
        const ServingPause pause(folder.path(), targets(), "x", limits(4096, [] { return 1024; }));
      }),
      "V009|memory: error[V009]: training needs 4.0 KiB and 1.0 KiB are free\nhelp: try again "
      "later, or stop the program that holds the memory");
  EXPECT_TRUE(office && lab);
}

TEST_F(Pause, LoadsAgainWhenTrainingFails) {
  const auto train = [&] {
    const ServingPause pause(folder.path(), targets(), "x", limits(1, [] { return 1; }));
    throw UserError("U003", "x", "y");
  };
  EXPECT_EQ(testing::thrown_code(train), "U003");
  EXPECT_TRUE(office && lab);
}

TEST_F(Pause, AServerThatIsNotThereKeepsNobodyFromTraining) {
  const ServingPause pause(folder.path(), targets(/*broken=*/true), "x",
                           limits(1, [] { return 1; }));
  EXPECT_TRUE(office);
  EXPECT_FALSE(lab);
}

TEST_F(Pause, BesideServersThatLeaveEnoughNobodyIsDisturbed) {
  EXPECT_EQ(when_short(100, 100), nullptr);
  EXPECT_EQ(looked, 0);
}

TEST_F(Pause, WhereMemoryIsShortAllServersPauseAndTheRecordsSaySo) {
  bool short_now = true;
  {
    const auto pause =
        pause_when_short(folder.path(), "slmtune train faq.yaml",
                         limits(100, [&] { return std::exchange(short_now, false) ? 99 : 100; }),
                         [&](const std::filesystem::path&) { return targets(); });
    ASSERT_NE(pause, nullptr);
    EXPECT_FALSE(office || lab);
    EXPECT_TRUE(is_paused("office") && is_paused("lab"));
    // Who deploys now would take the memory that the training counts on.
    EXPECT_NE(testing::thrown([&] {
                const FileLock deploy(target_lock(folder.path(), "office"), "deploy");
              }).find("slmtune train faq.yaml"),
              std::string::npos);
  }
  EXPECT_TRUE(office && lab);
  EXPECT_FALSE(is_paused("office") || is_paused("lab"));
  const FileLock free_again(target_lock(folder.path(), "office"), "deploy");
}

TEST_F(Pause, WithoutAServerThatHoldsAnythingThereIsNoPauseAndNoWait) {
  office = lab = false;
  EXPECT_EQ(when_short(100, 0), nullptr);
  EXPECT_FALSE(office || lab);
  EXPECT_FALSE(is_paused("office") || is_paused("lab"));
}

TEST_F(Pause, WhatAKilledTrainingLeftServesAgainAfterTheNext) {
  DeployState state = read_state(folder.path(), "office");
  state.is_paused = true;
  write_state(folder.path(), state);
  office = false;
  {
    const auto pause = when_short(100, 100);
    ASSERT_NE(pause, nullptr);
    EXPECT_TRUE(lab);
  }
  EXPECT_TRUE(office && lab);
  EXPECT_FALSE(is_paused("office"));
}

TEST_F(Pause, WhileSomebodyDeploysThereIsNoMemoryToBeHad) {
  const FileLock deploy(target_lock(folder.path(), "lab"), "slmtune deploy");
  EXPECT_EQ(testing::thrown_code([&] { when_short(100, 0); }), "L001");
  EXPECT_TRUE(office && lab);
  EXPECT_FALSE(is_paused("office") || is_paused("lab"));
}

TEST_F(Pause, AnotherMachinesServerIsLeftAlone) {
  PlaceContext context;
  context.target.kind = "ollama";
  context.target.url = "https://192.0.2.1";
  EXPECT_FALSE(make_place(std::move(context))->unload({}));
}

TEST(ServedTargets, AreThoseThatTheStoreDeployedTo) {
  const testing::TempFolder folder;
  EXPECT_TRUE(served_targets(folder.path()).empty());
  folder.write("deploy/office.yaml", "kind: folder\npath: /srv/models\n");
  folder.write("deploy/broken.yaml", "kind: nothing\n");
  for (const char* name : {"office", "broken", "no-file"}) {
    DeployState state;
    state.target = name;
    state.kind = "folder";
    state.current = Deployed{};
    write_state(folder.path(), state);
  }
  const auto found = served_targets(folder.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "office");
}

}  // namespace
}  // namespace slmtune::ops
