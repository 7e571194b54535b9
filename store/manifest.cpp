#include "store/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/sealed_json.h"
#include "core/sha256.h"
#include "core/stop.h"
#include "core/text.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = 16ull << 20;
constexpr int64_t kSchema = 2, kUnsealed = 1;
constexpr const char* kSealName = "manifest_sha256";

// Names in a manifest must stay within the snapshot's folder.
bool is_inside(const fs::path& name) {
  if (name.empty() || name.is_absolute() || name.has_root_path()) return false;
  return std::none_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".."; });
}

// A descriptor that closes itself; W001 and its kin when the file cannot be opened.
class OpenFile {
 public:
  explicit OpenFile(const fs::path& path)
      : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) {
    if (descriptor_ < 0) throw_io_error(path.string(), "cannot open", errno);
  }
  ~OpenFile() { close(descriptor_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Read, not mapped: a disk that fails gives an error instead of a signal.
std::string hash_of(const fs::path& path, const HashProgress& progress) {
  OpenFile file(path);
  Hasher hasher(HashKind::kSha256);
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    check_stop();
    ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_io_error(path.string(), "cannot read", errno);
    if (count == 0) return hasher.finish();
    hasher.update(std::span(buffer).first(static_cast<size_t>(count)));
    if (progress) progress(static_cast<uint64_t>(count));
  }
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink()) continue;
    fs::path name = entry.path().lexically_relative(folder);
    if (name != kManifestName) files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

[[noreturn]] void damaged(const fs::path& folder, const std::string& what) {
  throw FileFormatError("S005", (folder / kManifestName).string(), what,
                        "use another snapshot or restore this one");
}

std::map<std::string, FileRecord> files_from_json(const Json& json, const std::string& where) {
  std::map<std::string, FileRecord> files;
  for (const auto& [name, record] : json.at("files").items()) {
    if (!is_inside(name))
      throw FileFormatError("S005", where, "a file name leads out of the snapshot");
    int64_t bytes = json_integer(record, "bytes", where);
    if (bytes < 0)
      throw FileFormatError("S005", where, "'bytes' of file '" + shown(name) + "' is negative");
    files[name] = {json_text(record, "sha256", where), static_cast<uint64_t>(bytes)};
  }
  return files;
}

Manifest manifest_from_json(const Json& json, const std::string& where) {
  if (int64_t schema = json_integer(json, "schema", where);
      schema != kSchema && schema != kUnsealed)
    throw FileFormatError("S005", where, "schema " + std::to_string(schema) + " is not known",
                          "use the version of slmtune that wrote this snapshot, or a newer one");
  Manifest manifest;
  manifest.number = json_integer(json, "number", where);
  manifest.name = json_text(json, "name", where);
  manifest.created = json_text(json, "created", where);
  manifest.method = json_text(json, "method", where);
  manifest.parent = json_text(json, "parent", where);
  manifest.base_path = json_text(json, "base_path", where);
  manifest.program_version = json_text(json, "program_version", where);
  if (json.contains("base_quant")) manifest.base_quant = json_text(json, "base_quant", where);
  if (json.contains("run")) manifest.run = json_text(json, "run", where);
  if (json.contains("content")) manifest.content = json_text(json, "content", where);
  manifest.hashes = json.at("hashes").get<std::map<std::string, std::string>>();
  manifest.files = files_from_json(json, where);
  manifest.metrics = OrderedJson(json.at("metrics"));
  return manifest;
}

}  // namespace

OrderedJson manifest_to_json(const Manifest& manifest) {
  OrderedJson files = OrderedJson::object();
  for (const auto& [name, record] : manifest.files)
    files[name] = {{"sha256", record.sha256}, {"bytes", record.bytes}};
  OrderedJson json;
  json["schema"] = kUnsealed;
  json["number"] = manifest.number;
  json["name"] = manifest.name;
  json["created"] = manifest.created;
  json["method"] = manifest.method;
  json["parent"] = manifest.parent;
  json["base_path"] = manifest.base_path;
  if (!manifest.base_quant.empty()) json["base_quant"] = manifest.base_quant;
  json["program_version"] = manifest.program_version;
  json["run"] = manifest.run;
  json["hashes"] = manifest.hashes;
  json["content"] = manifest.content;
  json["metrics"] = manifest.metrics;
  json["files"] = files;
  return json;
}

void write_manifest(const fs::path& folder, const Manifest& manifest) {
  OrderedJson json = manifest_to_json(manifest);
  json["schema"] = kSchema;
  write_file(folder / kManifestName, sealed(std::move(json), kSealName));
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestName;
  try {
    const Json json = read_json(path, kMaxBytes);
    Manifest manifest = manifest_from_json(json, path.string());
    if (json.at("schema") != kUnsealed &&
        !is_seal_whole(read_text_file(path, kMaxBytes), kSealName))
      damaged(folder, "the manifest changed after it was written");
    return manifest;
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    if (error.code() == "S005") throw;
    damaged(folder, error.diagnostics().front().what);
  } catch (const Json::exception&) {
    damaged(folder, "a member is missing or has the wrong type");
  }
}

void seal_file(const fs::path& path) {
  OpenFile file(path);
  struct stat status;
  if (fstat(file.get(), &status) != 0 || fchmod(file.get(), status.st_mode & 0440) != 0)
    throw_io_error(path.string(), "cannot write to disk", errno);
  sync_file(path);
}

std::map<std::string, FileRecord> seal_files(const fs::path& folder) {
  std::map<std::string, FileRecord> records;
  for (const fs::path& name : files_below(folder)) {
    fs::path file = folder / name;
    SLMTUNE_ASSERT(fs::is_regular_file(fs::symlink_status(file)),
                   "a snapshot holds plain files only");
    records[name.string()] = {hash_of(file, {}), fs::file_size(file)};
    seal_file(file);
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory()) sync_folder(entry.path());
  return records;
}

std::string content_hash(const std::map<std::string, FileRecord>& files) {
  static constexpr std::array<std::string_view, 5> kAboutTheRun = {
      "README.md", "metrics.json", kRecipeName, "rows.index", "samples.jsonl"};
  std::string text;
  for (const auto& [name, record] : files)
    if (std::find(kAboutTheRun.begin(), kAboutTheRun.end(), name) == kAboutTheRun.end())
      text += name + "\n" + record.sha256 + "\n";
  return sha256(text);
}

namespace {

// What is wrong with one file, if anything.
std::optional<Diagnostic> check_file(const fs::path& file, const FileRecord& record,
                                     const HashProgress& progress) {
  std::error_code missing;
  const uint64_t bytes = fs::file_size(file, missing);
  if (missing)
    return Diagnostic{"S006", file.string(), "the file is missing", "use another snapshot", {}};
  if (bytes != record.bytes)
    return Diagnostic{"S004",
                      file.string(),
                      "the file has " + std::to_string(bytes) + " bytes but was published with " +
                          std::to_string(record.bytes),
                      "use another snapshot",
                      {}};
  if (hash_of(file, progress) != record.sha256)
    return Diagnostic{"S004",
                      file.string(),
                      "the content changed after it was published",
                      "use another snapshot and check the disk",
                      {}};
  return std::nullopt;
}

}  // namespace

Manifest verify_snapshot(const fs::path& folder, const HashProgress& progress) {
  Manifest manifest = read_manifest(folder);
  std::vector<Diagnostic> problems;
  for (const auto& [name, record] : manifest.files)
    if (auto problem = check_file(folder / name, record, progress))
      problems.push_back(std::move(*problem));
  for (const fs::path& name : files_below(folder))
    if (!manifest.files.count(name.string()))
      problems.push_back({"S004",
                          (folder / name).string(),
                          "the file was added after publishing",
                          "move it elsewhere",
                          {}});
  if (!manifest.content.empty() && manifest.content != content_hash(manifest.files))
    problems.push_back({"S004",
                        (folder / kManifestName).string(),
                        "'content' is not the hash of the files that it lists",
                        "use another snapshot",
                        {}});
  if (!problems.empty()) throw FileFormatError(std::move(problems));
  return manifest;
}

}  // namespace slmtune::store
