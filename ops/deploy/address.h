// Which servers `deploy` may talk to: those of this machine, and with `allow_remote` others, by
// https alone. What is sent there are models and the neutral texts of the probe, never a row.
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::ops {

// "" when requests may go to `url`: http or https, a host, perhaps a port and nothing else, and the
// host is this machine or `allow_remote` and https. Otherwise what is wrong with it.
std::string address_problem(const std::string& url, bool allow_remote);
std::string address_advice();

// localhost, 127.0.0.0/8, ::1.
bool is_loopback_url(const std::string& url);

// "http://127.0.0.1:8080" for what a server that listens on `host` is reached by from here.
std::string local_url(const std::string& host, int64_t port);

}  // namespace slmtune::ops
