// Servers that deploy starts and that go on when it has ended: started in a session of their own,
// with the environment that this program began with and none of its open files; known by their
// process number and start time (the number alone may be another process's by now).
//
//   Started server = start_server({.arguments = {"/usr/bin/llama-server", "-m", "a.gguf"},
//                                  .log = "deploy/office.log"});
//   ... put server.identity into the record ...
//   server.go();                       // only now it runs; without go() it ends with this process
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace slmtune::ops {

struct ProcessIdentity {
  int64_t pid = 0;
  uint64_t start_ticks = 0;  // since the machine started, of /proc/PID/stat
};

// False for a process that has ended and waits to be collected.
bool is_running(const ProcessIdentity& process);

// Asks it to end (SIGTERM), and kills it after `patience_seconds`. Returns whether it was running.
bool stop_process(const ProcessIdentity& process, double patience_seconds);

struct ServerCommand {
  std::vector<std::string> arguments;  // the program first: a path, or a name in PATH
  std::filesystem::path log;           // its output; emptied at the start
  // Stopped first, by the new process itself, so that the exchange is completed even when slmtune
  // is killed meanwhile.
  std::optional<ProcessIdentity> replaces = {};
  double patience_seconds = 10;  // for that one
};

class Started {
 public:
  Started(ProcessIdentity process, int gate) : identity(process), gate_(gate) {}
  ~Started();
  Started(Started&& other) noexcept;
  Started& operator=(Started&&) = delete;
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  void go();
  ProcessIdentity identity;

 private:
  int gate_;
};

// V003 when there is no such program; W001, W003, W004 for the log.
Started start_server(const ServerCommand& command);

// A port of this machine that nobody listens on at the moment.
int64_t free_port(const std::string& host);
// Whether somebody listens there.
bool is_port_taken(const std::string& host, int64_t port);

}  // namespace slmtune::ops
