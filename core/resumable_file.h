// A large file that is written over several runs of the program: its bytes lie in a part file of a
// fixed name until all are there, and only then does the file get its name (fsync, rename, fsync of
// the folder), as with AtomicFile. A part that is not committed stays for the next run.
//
//   ResumableFile part(".pull/weights.part");
//   part.read([&](auto bytes) { hash.update(bytes); });   // what an earlier run has left
//   part.append(bytes);
//   part.commit(".pull/weights");
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

namespace slmtune {

class ResumableFile {
 public:
  // Opens or makes `part`; never follows a link. W003, W004, W001.
  explicit ResumableFile(std::filesystem::path part);
  ~ResumableFile();  // the part stays
  ResumableFile(const ResumableFile&) = delete;
  ResumableFile& operator=(const ResumableFile&) = delete;

  uint64_t size() const { return size_; }
  // Hands over the bytes that are there, in order, in pieces of at most 1 MiB. W001.
  void read(const std::function<void(std::span<const std::byte>)>& take) const;
  void append(std::span<const std::byte> bytes);  // W001, W002 disk full
  void restart();                                 // drops all bytes. W001
  void commit(const std::filesystem::path& to);   // W001, W002, W004; the last call on this object

 private:
  std::filesystem::path part_;
  int descriptor_ = -1;
  uint64_t size_ = 0, asked_to_write_ = 0;
};

}  // namespace slmtune
