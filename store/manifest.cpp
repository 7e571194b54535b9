#include "store/manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "core/error.h"
#include "core/sha256.h"
#include "core/text.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileName = "manifest.json";
constexpr int64_t kSchema = 1;

// Names in a manifest must stay within the snapshot's folder.
bool is_inside(const fs::path& name) {
  if (name.empty() || name.is_absolute() || name.has_root_path()) return false;
  return std::none_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".."; });
}

void sync_file(const fs::path& path) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  bool failed = descriptor < 0 || fsync(descriptor) != 0;
  int reason = errno;
  if (descriptor >= 0) close(descriptor);
  if (failed) throw_io_error(path.string(), "cannot write to disk", reason);
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink()) continue;
    fs::path name = entry.path().lexically_relative(folder);
    if (name != kFileName) files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

[[noreturn]] void damaged(const fs::path& folder, const std::string& what) {
  throw FileFormatError("S005", (folder / kFileName).string(), what,
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
  if (int64_t schema = json_integer(json, "schema", where); schema != kSchema)
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
  if (json.contains("run")) manifest.run = json_text(json, "run", where);
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
  json["schema"] = kSchema;
  json["number"] = manifest.number;
  json["name"] = manifest.name;
  json["created"] = manifest.created;
  json["method"] = manifest.method;
  json["parent"] = manifest.parent;
  json["base_path"] = manifest.base_path;
  json["program_version"] = manifest.program_version;
  json["run"] = manifest.run;
  json["hashes"] = manifest.hashes;
  json["metrics"] = manifest.metrics;
  json["files"] = files;
  return json;
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kFileName;
  try {
    return manifest_from_json(read_json(path, 16ull << 20), path.string());
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    if (error.code() == "S005") throw;
    damaged(folder, error.diagnostics().front().what);
  } catch (const Json::exception&) {
    damaged(folder, "a member is missing or has the wrong type");
  }
}

std::map<std::string, FileRecord> record_files(const fs::path& folder) {
  std::map<std::string, FileRecord> records;
  for (const fs::path& name : files_below(folder)) {
    fs::path file = folder / name;
    SLMTUNE_ASSERT(fs::is_regular_file(fs::symlink_status(file)),
                   "a snapshot holds plain files only");
    records[name.string()] = {sha256_file(file), fs::file_size(file)};
    sync_file(file);
  }
  return records;
}

Manifest verify_snapshot(const fs::path& folder) {
  Manifest manifest = read_manifest(folder);
  std::vector<Diagnostic> problems;
  for (const auto& [name, record] : manifest.files) {
    fs::path file = folder / name;
    std::error_code missing;
    uint64_t bytes = fs::file_size(file, missing);
    if (missing)
      problems.push_back(
          {"S006", file.string(), "the file is missing", "use another snapshot", {}});
    else if (bytes != record.bytes)
      problems.push_back({"S004",
                          file.string(),
                          "the file has " + std::to_string(bytes) +
                              " bytes but was published with " + std::to_string(record.bytes),
                          "use another snapshot",
                          {}});
    else if (sha256_file(file) != record.sha256)
      problems.push_back({"S004",
                          file.string(),
                          "the content changed after it was published",
                          "use another snapshot and check the disk",
                          {}});
  }
  for (const fs::path& name : files_below(folder))
    if (!manifest.files.count(name.string()))
      problems.push_back({"S004",
                          (folder / name).string(),
                          "the file was added after publishing",
                          "move it elsewhere",
                          {}});
  if (!problems.empty()) throw FileFormatError(std::move(problems));
  return manifest;
}

}  // namespace slmtune::store
