// The only way a result reaches the disk: written to a temporary in the same folder, fsync of the file, rename, fsync of
// the folder. Without commit() the destructor removes the temporary and the old file stays as it was.
//
//   AtomicFile file("out/summary.json");
//   file.write(text);
//   file.commit();
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace slmtune {

class AtomicFile {
 public:
  // W004 cannot create (folder missing, somebody is writing this file now), W003 permission.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  // retries EINTR and short writes; W001, W002 disk full
  void write(std::string_view text);
  uint64_t written() const { return written_; }
  // W001, W002. After an error the old file is in place, or the new one: never a part of it.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
};

// Writes `text` as the whole content of `path`.
void write_file(const std::filesystem::path& path, std::string_view text);

// Makes `folder` and its parents, fsyncing each parent that got an entry. W003, W004.
void make_folder(const std::filesystem::path& folder);

// fsync of a folder's entries. W001.
void sync_folder(const std::filesystem::path& folder);

// fsync of a file's content. N001, W001, W002.
void sync_file(const std::filesystem::path& path);

// Folder part of `path`; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& path);

// Renames the finished folder `from` to `to` in the same parent and syncs the parent. W001, W004 (exists).
void publish_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// Appends one whole line (a '\n' is added) with a single write(); for logs and journals. A `durable` line is on the disk
// when the call returns, and so is the name of a file that it made. W001, W002, W003, W004.
void append_line(const std::filesystem::path& path, std::string_view line, bool durable = false);

// Appends `bytes` as they are, not durably; for event files.
void append_bytes(const std::filesystem::path& path, std::string_view bytes);

// Copies a file through AtomicFile.
void copy_file_atomically(const std::filesystem::path& from, const std::filesystem::path& to);

// Whole content of a file of at most `limit_bytes`. N001, F001, W001.
std::string read_text_file(const std::filesystem::path& path, uint64_t limit_bytes = 64ull << 20);

}  // namespace slmtune
