#include "core/hash_ahead.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <tuple>
#include <utility>

#include "core/mapped_file.h"
#include "core/sha256.h"
#include "core/stop.h"

namespace slmtune {
namespace {

using FileState = std::tuple<dev_t, ino_t, off_t, time_t, long>;  // the same: the same bytes

std::optional<FileState> state_of(const std::filesystem::path& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return std::nullopt;
  return FileState{found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec,
                   found.st_mtim.tv_nsec};
}

struct Stopped {};

// One thread, which goes through the files in turn.
class Ahead {
 public:
  explicit Ahead(const std::vector<std::filesystem::path>& files) {
    for (const std::filesystem::path& file : files)
      if (const auto state = state_of(file)) files_.emplace_back(file, *state);
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }

  std::optional<std::string> find(const FileState& state) {
    for (File& file : files_)
      if (file.state == state) return wait_for(file.hash);
    return std::nullopt;
  }

 private:
  using Hash = std::optional<std::string>;

  struct File {
    File(std::filesystem::path a_path, const FileState& a_state)
        : path(std::move(a_path)), state(a_state), hash(promise.get_future().share()) {}
    std::filesystem::path path;
    FileState state;
    std::promise<Hash> promise;
    std::shared_future<Hash> hash;
  };

  static Hash wait_for(const std::shared_future<Hash>& hash) {
    while (hash.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) check_stop();
    return hash.get();
  }

  void work(const std::stop_token& stop) {
    const auto check = [&stop] {
      if (stop.stop_requested()) throw Stopped{};
    };
    for (File& file : files_) file.promise.set_value(hash(file, check));
  }

  // None of a file that cannot be read: who asks for it reports why.
  static Hash hash(const File& file, const std::function<void()>& check) {
    try {
      std::string made = hash_file(file.path, check);
      return state_of(file.path) == file.state ? Hash(std::move(made)) : Hash();
    } catch (...) {
      return std::nullopt;
    }
  }

  std::deque<File> files_;
  std::jthread thread_;  // ends before the files do
};

// Holds the thread to the end of the process.
struct Current {
  std::mutex mutex;
  std::shared_ptr<Ahead> ahead;
};

Current& current() {
  static Current held;
  return held;
}

}  // namespace

void hash_ahead(const std::vector<std::filesystem::path>& files) {
  // OpenSSL reads the environment when it is first used, which a thread must not do while another
  // one may be writing it.
  const Hasher first(HashKind::kSha256);
  auto ahead = std::make_shared<Ahead>(files);
  const std::lock_guard lock(current().mutex);
  current().ahead = std::move(ahead);
}

std::optional<std::string> hashed_ahead(const std::filesystem::path& path) {
  std::shared_ptr<Ahead> ahead;
  {
    const std::lock_guard lock(current().mutex);
    ahead = current().ahead;
  }
  if (!ahead) return std::nullopt;
  const std::optional<FileState> state = state_of(path);
  return state ? ahead->find(*state) : std::nullopt;
}

std::string hash_file(const std::filesystem::path& path,
                      const std::function<void()>& before_piece) {
  constexpr size_t kPiece = size_t{16} << 20;
  MappedFile file(path);
  Hasher hasher(HashKind::kSha256);
  std::span<const std::byte> left = file.bytes();
  do {
    before_piece();
    const std::span<const std::byte> piece = left.first(std::min(left.size(), kPiece));
    hasher.update(piece);
    release_pages(piece);
    left = left.subspan(piece.size());
  } while (!left.empty());
  return hasher.finish();
}

}  // namespace slmtune
