#include "collective/key_store.h"

#include <c10/util/Exception.h>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include "collective/collective.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::collective {
namespace {

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000.0));
}

std::string place_of(const Launch& launch) {
  return launch.address + ":" + std::to_string(launch.port);
}

[[noreturn]] void refuse(const Launch& launch, const std::string& what, const std::string& help) {
  throw UnavailableError("P005", place_of(launch), what, help);
}

// LibTorch's errors as ours. A value that is missing in time is no error here.
template <typename Call>
auto checked(const Launch& launch, Call&& call) {
  try {
    return call();
  } catch (const c10::Error&) {
    if (launch.leads())
      refuse(launch, "the meeting point of the ranks is gone",
             "the launcher's agent there has ended; look at its messages");
    throw_lost(0, "is gone: nobody answers at " + place_of(launch));
  }
}

// LibTorch tells of every connection that ends, with a list of its own calls; our errors say the
// same in a line.
void silence_library() {
  static const bool done = [] {
    setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
    c10::initLogging();
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

struct KeyStore::Connection {
  c10::intrusive_ptr<c10d::TCPStore> store;
  std::string prefix;
};

KeyStore::KeyStore(const Launch& launch) : KeyStore(launch, launch.leads() && !launch.has_agent) {}

KeyStore::KeyStore(const Launch& launch, bool serves)
    : launch_(launch), connection_(std::make_unique<Connection>()) {
  if (launch.address.empty())
    throw UserError("P001", "MASTER_ADDR", "'MASTER_ADDR' is not set",
                    "set it to the host name or address of rank 0, on every rank");
  silence_library();
  connection_->prefix = "slmtune/" + launch.attempt + "/";
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = milliseconds(launch.patience);
  try {
    connection_->store = c10::make_intrusive<c10d::TCPStore>(launch.address, options);
  } catch (const c10::Error& error) {
    log_verbose(std::string("TCPStore: ") + error.what_without_backtrace());
    if (serves)
      refuse(launch, "rank 0 cannot listen there",
             "set MASTER_ADDR to an address of rank 0's machine, and MASTER_PORT to a free port");
    refuse(launch, "rank 0 was not found there within " + human_seconds(launch.patience),
           "look whether rank 0 runs, and whether MASTER_ADDR, MASTER_PORT and the firewall fit");
  }
}

KeyStore::~KeyStore() = default;

std::unique_ptr<KeyStore> KeyStore::another_connection() const {
  return std::unique_ptr<KeyStore>(new KeyStore(launch_, false));
}

void KeyStore::set(const std::string& key, std::span<const std::byte> value) {
  SLMTUNE_ASSERT(value.size() <= kLargestValue, "a value of the key store is too large");
  const auto* first = reinterpret_cast<const uint8_t*>(value.data());
  checked(launch_, [&] {
    connection_->store->set(connection_->prefix + key,
                            std::vector<uint8_t>(first, first + value.size()));
  });
}

void KeyStore::set_text(const std::string& key, const std::string& text) {
  set(key, std::as_bytes(std::span(text)));
}

std::string KeyStore::set_if_absent(const std::string& key, const std::string& text) {
  return checked(launch_, [&] {
    // The base class has the form that takes text.
    c10d::Store& store = *connection_->store;
    return store.compareSet(connection_->prefix + key, std::string(), text);
  });
}

bool KeyStore::wait(const std::string& key, double seconds) {
  if (has(key)) return true;
  try {
    connection_->store->wait({connection_->prefix + key}, milliseconds(seconds));
    return true;
  } catch (const c10::Error&) {
    return has(key);  // an error when it was not the time that ran out
  }
}

bool KeyStore::has(const std::string& key) {
  return checked(launch_, [&] { return connection_->store->check({connection_->prefix + key}); });
}

std::vector<std::byte> KeyStore::get(const std::string& key) {
  return checked(launch_, [&] {
    const std::vector<uint8_t> value = connection_->store->get(connection_->prefix + key);
    const auto* first = reinterpret_cast<const std::byte*>(value.data());
    return std::vector<std::byte>(first, first + value.size());
  });
}

std::string KeyStore::get_text(const std::string& key) {
  const std::vector<std::byte> value = get(key);
  return {reinterpret_cast<const char*>(value.data()), value.size()};
}

int64_t KeyStore::add(const std::string& key, int64_t number) {
  return checked(launch_,
                 [&] { return connection_->store->add(connection_->prefix + key, number); });
}

void KeyStore::remove(const std::string& key) {
  checked(launch_, [&] { connection_->store->deleteKey(connection_->prefix + key); });
}

}  // namespace slmtune::collective
