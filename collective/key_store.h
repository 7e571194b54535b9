// Keys and values that the processes of a run share while they meet: LibTorch's c10d::TCPStore,
// which torchrun uses for the same purpose. Rank 0 listens at MASTER_ADDR and MASTER_PORT (or
// torchrun's agent does), everybody connects there.
//
//   KeyStore store(launch);
//   if (launch.leads()) store.set("greeting", bytes);
//   while (!store.wait("greeting", 0.5)) look at something else …
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "collective/launch.h"

namespace slmtune::collective {

// Its calls may come from one thread at a time; another thread takes another_connection(). Keys of
// another run or of another attempt of torchrun are never met. P005 when the store cannot be
// reached, P003 when it is gone.
class KeyStore {
 public:
  explicit KeyStore(const Launch& launch);
  ~KeyStore();
  KeyStore(const KeyStore&) = delete;
  KeyStore& operator=(const KeyStore&) = delete;

  std::unique_ptr<KeyStore> another_connection() const;

  // Values of at most kLargestValue bytes.
  static constexpr size_t kLargestValue = size_t{4} << 20;
  void set(const std::string& key, std::span<const std::byte> value);
  void set_text(const std::string& key, const std::string& text);
  // The value that `key` has afterwards: `text`, or what it had before.
  std::string set_if_absent(const std::string& key, const std::string& text);
  // Whether the key is there within `seconds`.
  bool wait(const std::string& key, double seconds);
  bool has(const std::string& key);
  // Precondition: the key is there.
  std::vector<std::byte> get(const std::string& key);
  std::string get_text(const std::string& key);
  int64_t add(const std::string& key, int64_t number);
  void remove(const std::string& key);

 private:
  struct Connection;
  KeyStore(const Launch& launch, bool serves);

  Launch launch_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace slmtune::collective
