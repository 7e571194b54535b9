#include "collective/launch.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/expect_error.h"

namespace slmtune::collective {
namespace {

using Variables = std::map<std::string, std::string>;

Launch launch_with(const Variables& variables) {
  return launch_of([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

void expect_refused(const Variables& variables, const std::string& name) {
  try {
    launch_with(variables);
    ADD_FAILURE() << name << " was taken";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "P001");
    EXPECT_EQ(error.diagnostics().front().where, name);
  }
}

const Variables kTorchrun = {{"RANK", "3"},          {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},    {"LOCAL_WORLD_SIZE", "2"},
                             {"MASTER_ADDR", "one"}, {"MASTER_PORT", "1234"}};

Variables with(Variables variables, const std::string& name, const std::string& value) {
  variables[name] = value;
  return variables;
}

TEST(Launch, WithoutVariablesIsOneProcess) {
  const Launch launch = launch_with({});
  EXPECT_FALSE(launch.several());
  EXPECT_TRUE(launch.leads());
  EXPECT_EQ(launch.patience, 600.0);
}

TEST(Launch, ReadsWhatTorchrunSets) {
  const Launch launch = launch_with(kTorchrun);
  EXPECT_EQ(launch.launcher, Launcher::kTorchrun);
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.address, "one");
  EXPECT_EQ(launch.port, 1234);
  EXPECT_FALSE(launch.has_agent);
  EXPECT_FALSE(launch.leads());
}

TEST(Launch, KnowsTorchrunsAgent) {
  const Launch launch = launch_with(with(with(kTorchrun, "TORCHELASTIC_USE_AGENT_STORE", "True"),
                                         "TORCHELASTIC_RESTART_COUNT", "2"));
  EXPECT_TRUE(launch.has_agent);
  EXPECT_EQ(launch.attempt, "2");
}

TEST(Launch, ReadsWhatMpirunSets) {
  const Launch launch = launch_with({{"OMPI_COMM_WORLD_RANK", "1"},
                                     {"OMPI_COMM_WORLD_SIZE", "2"},
                                     {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                     {"SLURM_PROCID", "0"},
                                     {"SLURM_NTASKS", "8"}});
  EXPECT_EQ(launch.launcher, Launcher::kMpi);
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.size, 2);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.address, "127.0.0.1");  // all on one machine
}

TEST(Launch, ReadsWhatSlurmSetsWithinSrunOnly) {
  const Variables job = {
      {"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "1"}, {"SLURM_NNODES", "2"}};
  EXPECT_FALSE(launch_with(job).several());
  const Launch launch = launch_with(with(job, "SLURM_STEP_ID", "0"));
  EXPECT_EQ(launch.launcher, Launcher::kSlurm);
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.address, "");
}

TEST(Launch, TorchrunsVariablesOverruleALauncher) {
  EXPECT_EQ(launch_with(with(kTorchrun, "OMPI_COMM_WORLD_RANK", "0")).rank, 3);
}

TEST(Launch, OneOfOneIsAlone) {
  EXPECT_FALSE(launch_with({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).several());
}

TEST(Launch, NamesTheVariableThatCannotBeUsed) {
  expect_refused({{"RANK", "0"}}, "WORLD_SIZE");
  expect_refused({{"WORLD_SIZE", "2"}}, "RANK");
  expect_refused({{"OMPI_COMM_WORLD_RANK", "0"}}, "OMPI_COMM_WORLD_SIZE");
  expect_refused(with(kTorchrun, "RANK", "4"), "RANK");
  expect_refused(with(kTorchrun, "RANK", "-1"), "RANK");
  expect_refused(with(kTorchrun, "WORLD_SIZE", "two"), "WORLD_SIZE");
  expect_refused(with(kTorchrun, "WORLD_SIZE", "2x"), "WORLD_SIZE");
  expect_refused(with(kTorchrun, "LOCAL_RANK", "9"), "LOCAL_RANK");
  expect_refused(with(kTorchrun, "MASTER_PORT", "70000"), "MASTER_PORT");
  expect_refused(with(kTorchrun, "SLMTUNE_RANK_SECONDS", "0"), "SLMTUNE_RANK_SECONDS");
  expect_refused(with(kTorchrun, "SLMTUNE_RANK_SECONDS", "long"), "SLMTUNE_RANK_SECONDS");
}

TEST(Launch, EmptyVariablesAreNotSet) {
  EXPECT_FALSE(launch_with({{"RANK", ""}, {"WORLD_SIZE", ""}}).several());
}

TEST(Launch, GivesEachProcessOfAMachineItsGpu) {
  const Launch launch = launch_with(kTorchrun);
  EXPECT_EQ(visible_gpu(launch, nullptr), "1");
  EXPECT_EQ(visible_gpu(launch, "4,GPU-5"), "GPU-5");
  EXPECT_EQ(visible_gpu(launch, "4"), "");
  EXPECT_EQ(visible_gpu(launch_with({}), "4,5"), "");
  const Launch third =
      launch_with(with(with(kTorchrun, "LOCAL_RANK", "2"), "LOCAL_WORLD_SIZE", "4"));
  EXPECT_EQ(slmtune::testing::thrown_code([&] { visible_gpu(third, "4,5"); }), "P001");
}

}  // namespace
}  // namespace slmtune::collective
