// Several ranks in one process, each a thread with a connection of its own.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "collective/launch.h"
#include "core/error.h"

namespace slmtune::collective::testing {

inline uint16_t free_port() {
  const int socket_handle = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t bytes = sizeof(address);
  bind(socket_handle, reinterpret_cast<sockaddr*>(&address), bytes);
  getsockname(socket_handle, reinterpret_cast<sockaddr*>(&address), &bytes);
  close(socket_handle);
  return ntohs(address.sin_port);
}

inline Launch launch_of_rank(int rank, int size, uint16_t port) {
  return {.launcher = Launcher::kTorchrun,
          .rank = rank,
          .size = size,
          .local_rank = rank,
          .local_size = size,
          .address = "127.0.0.1",
          .port = port,
          .patience = 30.0};
}

// Runs `work(launch)` for every rank at once. What each threw, as "CODE|text", or "".
inline std::vector<std::string> in_threads(std::vector<Launch> launches,
                                           const std::function<void(const Launch&)>& work) {
  std::vector<std::string> thrown(launches.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < launches.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        work(launches[i]);
      } catch (const Error& error) {
        thrown[i] = error.code() + "|" + error.what();
      } catch (const std::exception& error) {
        thrown[i] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

inline std::vector<Launch> ranks_of(int size) {
  const uint16_t port = free_port();
  std::vector<Launch> launches;
  for (int rank = 0; rank < size; ++rank) launches.push_back(launch_of_rank(rank, size, port));
  return launches;
}

}  // namespace slmtune::collective::testing
