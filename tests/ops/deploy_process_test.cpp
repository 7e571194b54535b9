// Servers that outlive whoever started them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "ops/deploy/process.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::ops {
namespace {

class Servers : public ::testing::Test {
 protected:
  ServerCommand command(const std::string& script) {
    return {.arguments = {"/bin/sh", "-c", script}, .log = folder.path() / "log"};
  }
  bool waits_for(const std::function<bool()>& what) {
    for (int i = 0; i < 500; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  std::string log() { return testing::TempFolder::read(folder.path() / "log"); }

  testing::TempFolder folder;
};

TEST_F(Servers, RunOnlyAfterTheirStarterSaysSo) {
  ProcessIdentity never;
  {
    Started server = start_server(command("echo started; exec sleep 60"));
    never = server.identity;
    EXPECT_TRUE(is_running(never));
  }
  EXPECT_TRUE(waits_for([&] { return !is_running(never); }));
  EXPECT_EQ(log(), "");
  Started server = start_server(command("echo started; exec sleep 60"));
  server.go();
  EXPECT_TRUE(waits_for([&] { return log() == "started\n"; }));
  EXPECT_TRUE(is_running(server.identity));
  EXPECT_TRUE(stop_process(server.identity, 5));
  EXPECT_FALSE(is_running(server.identity));
  EXPECT_FALSE(stop_process(server.identity, 5));
}

TEST_F(Servers, AreKnownByTheirStartToo) {
  Started server = start_server(command("exec sleep 60"));
  server.go();
  ProcessIdentity other = server.identity;
  ++other.start_ticks;
  EXPECT_FALSE(is_running(other));
  EXPECT_FALSE(stop_process(other, 1));
  EXPECT_TRUE(is_running(server.identity));
  stop_process(server.identity, 5);
  EXPECT_FALSE(is_running({0, 0}));
}

TEST_F(Servers, ThatDoNotEndAreKilled) {
  Started server = start_server(command("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  server.go();
  ASSERT_TRUE(waits_for([&] { return log() == "ready\n"; }));
  EXPECT_TRUE(stop_process(server.identity, 0.1));
  EXPECT_TRUE(waits_for([&] { return !is_running(server.identity); }));
}

TEST_F(Servers, TakeThePlaceOfAnotherBeforeTheyBegin) {
  Started old = start_server(command("exec sleep 60"));
  old.go();
  ServerCommand next = command("echo new; exec sleep 60");
  next.log = folder.path() / "next";
  next.replaces = old.identity;
  Started server = start_server(next);
  EXPECT_TRUE(is_running(old.identity));
  server.go();
  EXPECT_TRUE(waits_for([&] { return testing::TempFolder::read(next.log) == "new\n"; }));
  EXPECT_FALSE(is_running(old.identity));
  stop_process(server.identity, 5);
}

TEST_F(Servers, HaveNothingOfWhatTheirStarterSetOrOpened) {
  setenv("SLMTUNE_TEST_SET_LATER", "1", 1);
  const int file = open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as libraries do
  Started server =
      start_server(command("echo \"$HOME\" \"$SLMTUNE_TEST_SET_LATER\"; [ -e /proc/$$/fd/" +
                           std::to_string(file) + " ] && echo open; echo end; exec sleep 60"));
  server.go();
  EXPECT_TRUE(waits_for([&] { return log().ends_with("end\n"); }));
  const char* home = std::getenv("HOME");
  EXPECT_EQ(log(), std::string(home != nullptr ? home : "") + " \nend\n");
  stop_process(server.identity, 5);
  close(file);
  unsetenv("SLMTUNE_TEST_SET_LATER");
}

TEST_F(Servers, AreRunByAnExecutableFile) {
  EXPECT_EQ(testing::thrown_code([&] {
              start_server({.arguments = {"/no/such/llama-server"}, .log = folder.path() / "log"});
            }),
            "V003");
  EXPECT_EQ(testing::thrown_code([&] {
              start_server({.arguments = {"no-such-llama-server"}, .log = folder.path() / "log"});
            }),
            "V003");
  EXPECT_EQ(testing::thrown_code([&] {
              start_server({.arguments = {"sleep", "0"}, .log = folder.path() / "none/log"});
            }),
            "W004");
}

TEST(Ports, AFreeOneIsNotTaken) {
  for (const char* host : {"127.0.0.1", "0.0.0.0"}) {
    const int64_t port = free_port(host);
    EXPECT_GT(port, 0);
    EXPECT_FALSE(is_port_taken(host, port));
  }
}

}  // namespace
}  // namespace slmtune::ops
