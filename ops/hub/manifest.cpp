#include "ops/hub/manifest.h"

#include <sys/stat.h>

#include <algorithm>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

struct OnDisk {
  bool exists = false, is_plain = false;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;
};

OnDisk look_at(const fs::path& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return {};
  return {true, S_ISREG(status.st_mode), static_cast<uint64_t>(status.st_size),
          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// A manifest may come with a folder from anywhere; its names decide what is removed.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string::npos;
}

ManifestEntry parse_entry(const Json& json) {
  ManifestEntry entry;
  entry.file.name = json.at("name").get<std::string>();
  entry.file.bytes = json.at("bytes").get<uint64_t>();
  entry.modified_ns = json.at("modified_ns").get<int64_t>();
  const std::string hash = json.at("hash").get<std::string>();
  entry.file.kind = hash.starts_with("sha256:") ? HashKind::kSha256 : HashKind::kSha1;
  entry.file.hash = hash.substr(hash.find(':') + 1);
  return entry;
}

Manifest parse_manifest(const Json& json) {
  Manifest manifest;
  manifest.repository = json.at("repository").get<std::string>();
  manifest.revision = json.at("revision").get<std::string>();
  manifest.commit = json.at("commit").get<std::string>();
  manifest.endpoint = json.at("endpoint").get<std::string>();
  for (const Json& file : json.at("files")) {
    manifest.files.push_back(parse_entry(file));
    if (!is_plain_name(manifest.files.back().file.name)) return {};
  }
  return manifest;
}

const ManifestEntry* entry_of(const Manifest& manifest, const std::string& name) {
  auto found = std::find_if(manifest.files.begin(), manifest.files.end(),
                            [&](const ManifestEntry& entry) { return entry.file.name == name; });
  return found == manifest.files.end() ? nullptr : &*found;
}

}  // namespace

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestName;
  if (!look_at(path).is_plain) return {};
  try {
    return parse_manifest(read_json(path, 16 << 20));
  } catch (const Json::exception&) {
    log_verbose(path.string() + " is no manifest of ours; the files are looked at instead");
  } catch (const FileFormatError&) {
    log_verbose(path.string() + " is damaged; the files are looked at instead");
  }
  return {};
}

void write_manifest(const fs::path& folder, const Manifest& manifest) {
  OrderedJson json = {{"schema", 1},
                      {"repository", manifest.repository},
                      {"revision", manifest.revision},
                      {"commit", manifest.commit},
                      {"endpoint", manifest.endpoint},
                      {"fetched", utc_now()},
                      {"files", OrderedJson::array()}};
  for (const ManifestEntry& entry : manifest.files)
    json["files"].push_back({{"name", entry.file.name},
                             {"bytes", entry.file.bytes},
                             {"hash", hash_text(entry.file)},
                             {"modified_ns", look_at(folder / entry.file.name).modified_ns}});
  write_file(folder / kManifestName, json.dump(2) + "\n");
}

bool is_untouched(const fs::path& folder, const ManifestEntry& entry) {
  const OnDisk disk = look_at(folder / entry.file.name);
  return disk.is_plain && disk.bytes == entry.file.bytes && disk.modified_ns == entry.modified_ns;
}

Presence presence_of(const fs::path& folder, const RemoteFile& wanted, const Manifest& manifest,
                     const std::function<void()>& tick) {
  const fs::path path = folder / wanted.name;
  const OnDisk disk = look_at(path);
  if (!disk.exists) return Presence::kAbsent;
  if (!disk.is_plain)
    throw IoError("W004", path.string(), "cannot create: a link or a folder has this name",
                  "move it away, or choose another folder with --to");
  const ManifestEntry* entry = entry_of(manifest, wanted.name);
  const bool untouched = entry != nullptr && is_untouched(folder, *entry);
  const auto on_bytes = [&](uint64_t) { tick(); };
  if (untouched && entry->file.hash == wanted.hash) return Presence::kSame;
  if (!untouched && content_matches(path, wanted, on_bytes)) return Presence::kSame;
  if (untouched || (entry != nullptr && content_matches(path, entry->file, on_bytes)))
    return Presence::kOurs;
  throw IoError("W004", path.string(), "cannot create: a file that pull has not made is here",
                "move it away, or choose another folder with --to");
}

}  // namespace slmtune::ops
