#include "tests/faults/core_operations.h"

#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>

#include "core/atomic_file.h"
#include "core/folder_removal.h"
#include "core/resumable_file.h"
#include "tests/faults/plain_file.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

const std::string kOld(3000, 'o'), kNew(5000, 'n');

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// The file is absent or has one of these contents; once done, the last of them.
std::string file_problem(const fs::path& path, const std::vector<std::string>& before,
                         const std::string& after, bool done) {
  const std::string content = content_of(path);
  if (content == after) return "";
  if (done) return path.filename().string() + " is not the new one";
  if (!fs::exists(path)) return before.empty() ? "" : path.filename().string() + " is gone";
  for (const std::string& known : before)
    if (content == known) return "";
  return path.filename().string() + " is neither old nor new";
}

Operation replace_file() {
  return {
      "replace a file", [](const fs::path& root) { write_file(root / "a", kOld); },
      [](const fs::path& root) {
        AtomicFile file(root / "a");
        file.write(std::string_view(kNew).substr(0, 2000));
        file.write(std::string_view(kNew).substr(2000));
        file.commit();
      },
      [](const fs::path& root, bool done) { return file_problem(root / "a", {kOld}, kNew, done); }};
}

Operation new_file_in_new_folders() {
  return {
      "write a file in new folders", [](const fs::path&) {},
      [](const fs::path& root) {
        make_folder(root / "x/y");
        write_file(root / "x/y/a", kNew);
      },
      [](const fs::path& root, bool done) { return file_problem(root / "x/y/a", {}, kNew, done); }};
}

Operation copy_file() {
  return {"copy a file", [](const fs::path& root) { write_file(root / "a", kNew); },
          [](const fs::path& root) { copy_file_atomically(root / "a", root / "b"); },
          [](const fs::path& root, bool done) { return file_problem(root / "b", {}, kNew, done); }};
}

std::string lines_problem(const fs::path& path, int64_t before, bool done) {
  int64_t whole = 0, at = 0;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line); ++at) {
    if (line == kOld) ++whole;
    if (at < before && line != kOld) return "an earlier line is damaged";
  }
  return whole < before + (done ? 1 : 0) ? "a line is lost" : "";
}

Operation append_to_file() {
  return {"append a line",
          [](const fs::path& root) { write_file(root / "log", kOld + "\n" + kOld + "\n"); },
          [](const fs::path& root) { append_line(root / "log", kOld, true); },
          [](const fs::path& root, bool done) { return lines_problem(root / "log", 2, done); }};
}

Operation append_to_new_file() {
  return {"append a line to a new file", [](const fs::path&) {},
          [](const fs::path& root) { append_line(root / "log", kOld, true); },
          [](const fs::path& root, bool done) { return lines_problem(root / "log", 0, done); }};
}

Operation sync_what_was_appended() {
  return {"append, sync later", [](const fs::path& root) { write_file(root / "log", kOld + "\n"); },
          [](const fs::path& root) {
            append_line(root / "log", kOld);
            sync_file(root / "log");
          },
          [](const fs::path& root, bool done) { return lines_problem(root / "log", 1, done); }};
}

Operation publish_plain_files() {
  return {"publish a folder", [](const fs::path&) {},
          [](const fs::path& root) {
            if (fs::exists(root / "done")) return;
            fs::remove_all(root / ".filling");
            try {
              make_folder(root / ".filling");
              write_plainly(root / ".filling/a", kNew, true);
              write_plainly(root / ".filling/b", kOld, true);
              publish_folder(root / ".filling", root / "done");
            } catch (...) {
              std::error_code ignored;
              fs::remove_all(root / ".filling", ignored);
              throw;
            }
          },
          [](const fs::path& root, bool done) -> std::string {
            if (!fs::exists(root / "done")) return done ? "the folder is not there" : "";
            const bool whole =
                content_of(root / "done/a") == kNew && content_of(root / "done/b") == kOld;
            return whole ? "" : "the folder is not complete";
          }};
}

Operation publish_by_plain_rename() {
  Operation operation = publish_plain_files();
  operation.name += " by a plain rename";
  operation.plain_renames = true;
  return operation;
}

Operation finish_download() {
  return {"finish a download", [](const fs::path&) {},
          [](const fs::path& root) {
            if (fs::exists(root / "weights")) return;
            ResumableFile part(root / "weights.part");
            part.restart();
            part.append(std::as_bytes(std::span(kNew)));
            part.commit(root / "weights");
          },
          [](const fs::path& root, bool done) {
            return file_problem(root / "weights", {}, kNew, done);
          }};
}

Operation remove_folder() {
  return {"remove a folder",
          [](const fs::path& root) {
            make_folder(root / "old");
            for (const char* name : {"a", "b", "c"}) write_file(root / "old" / name, kOld);
          },
          [](const fs::path& root) {
            hide_folder(root / "old");
            remove_hidden(root);
          },
          [](const fs::path& root, bool done) -> std::string {
            if (done && !fs::is_empty(root)) return "what was removed is back";
            if (!fs::exists(root / "old")) return "";
            for (const char* name : {"a", "b", "c"})
              if (content_of(root / "old" / name) != kOld) return "half of the folder is there";
            return "";
          },
          ".removed-"};
}

}  // namespace

std::vector<Operation> core_operations() {
  return {replace_file(),
          new_file_in_new_folders(),
          copy_file(),
          append_to_file(),
          append_to_new_file(),
          sync_what_was_appended(),
          publish_plain_files(),
          publish_by_plain_rename(),
          finish_download(),
          remove_folder()};
}

}  // namespace slmtune::faults
