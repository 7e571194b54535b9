#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"
#include "ops/deploy/process.h"

namespace slmtune::ops {
namespace {

// A socket bound to `host`:`port`, 0 = any. Negative with errno when that cannot be.
int bound_socket(const std::string& host, int64_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  const int descriptor = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(port));
  v4.sin_addr.s_addr = htonl(host == "0.0.0.0" ? INADDR_ANY : INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  v6.sin6_addr = host == "::" ? in6addr_any : in6addr_loopback;
  const auto* address =
      is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  if (bind(descriptor, address, is_v6 ? sizeof v6 : sizeof v4) == 0) return descriptor;
  const int failure = errno;
  close(descriptor);
  errno = failure;
  return -1;
}

}  // namespace

int64_t free_port(const std::string& host) {
  const int descriptor = bound_socket(host, 0);
  if (descriptor < 0) throw_io_error("port", "none is free", errno);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int failed = getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  close(descriptor);
  SLMTUNE_ASSERT(failed == 0, "a bound socket has an address");
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

bool is_port_taken(const std::string& host, int64_t port) {
  const int descriptor = bound_socket(host, port);
  if (descriptor < 0) return errno == EADDRINUSE || errno == EACCES;
  close(descriptor);
  return false;
}

}  // namespace slmtune::ops
