// A finished file under a hidden name in the folder that it is meant for, until it has been
// checked: then one rename publishes it. Without publish() it is removed, and whatever has the name
// stays as it is.
//
//   UnverifiedFile file("out/faq.gguf");   // takes away what a killed process left of the same,
//   file.check_room(bytes);                // whose room counts as free
//   write_gguf(file.path(), …);
//   file.hold();                           // for checks that take minutes
//   …
//   file.publish();
#pragma once
#include <cstdint>
#include <filesystem>

namespace slmtune::exporting {

class UnverifiedFile {
 public:
  // W004 `to` is a folder, or another process is about to write it.
  explicit UnverifiedFile(std::filesystem::path to);
  ~UnverifiedFile();
  UnverifiedFile(const UnverifiedFile&) = delete;
  UnverifiedFile& operator=(const UnverifiedFile&) = delete;

  const std::filesystem::path& path() const { return hidden_; }
  const std::filesystem::path& target() const { return to_; }
  // W002 unless the disk has room for a file of `bytes`, beside one that has its name already;
  // W001.
  void check_room(uint64_t bytes) const;
  // The file was written: other processes see from here on that it is in use. W001, W004.
  void hold();
  // W001, W003, W004.
  void publish();

 private:
  bool is_mine() const;

  std::filesystem::path to_, hidden_;
  int descriptor_ = -1;  // of the held file
  bool is_published_ = false;
};

}  // namespace slmtune::exporting
