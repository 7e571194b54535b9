#include "ops/hub/listing.h"

#include <algorithm>

#include "core/error.h"
#include "core/json.h"
#include "core/mapped_file.h"
#include "core/text.h"
#include "ops/hub/address.h"

namespace slmtune::ops {
namespace {

constexpr uint64_t kLargestFile = 1ull << 42;  // 4 TiB, ten times the largest shard ever published
constexpr size_t kLongestName = 200;           // with the part file's ending below the usual 255

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw UnavailableError("H007", where, what,
                         "check HF_ENDPOINT, and whether a proxy or a login page answers instead");
}

Json parse(std::string_view text, const std::string& where) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) refuse(where, "the hub's answer is not JSON");
  return json;
}

void check_name(const std::string& name, const std::string& where) {
  bool plain = !name.empty() && name.size() <= kLongestName && is_utf8(name) &&
               std::none_of(name.begin(), name.end(),
                            [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; });
  for (size_t begin = 0; plain && begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = std::string_view(name).substr(begin, end - begin);
    plain = !part.empty() && part != "." && part != "..";
    begin = end + 1;
  }
  if (!plain)
    refuse(where, "the hub lists a file whose name could leave the folder: '" + shown(name) + "'");
}

uint64_t checked_size(const Json& value, const std::string& name, const std::string& where) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kLargestFile)
    refuse(where, "the hub lists file '" + shown(name) + "' with a size that no file has");
  return value.get<uint64_t>();
}

std::string checked_hash(const Json& value, size_t digits, const std::string& name,
                         const std::string& where) {
  if (!value.is_string() || !is_hash(value.get_ref<const std::string&>(), digits))
    refuse(where, "the hub lists file '" + shown(name) + "' with a malformed checksum");
  return value.get<std::string>();
}

// nullptr when the member is absent or null.
const Json* member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The same facts have other keys in the two answers.
struct Keys {
  const char *name, *blob, *sha256;
};
constexpr Keys kSibling{"rfilename", "blobId", "sha256"};
constexpr Keys kTreeEntry{"path", "oid", "oid"};

RemoteFile parse_file(const Json& entry, const Keys& keys, const std::string& where) {
  const Json* name = entry.is_object() ? member(entry, keys.name) : nullptr;
  if (name == nullptr || !name->is_string()) refuse(where, "the hub lists a file without a name");
  RemoteFile file;
  file.name = name->get<std::string>();
  check_name(file.name, where);
  if (const Json* size = member(entry, "size")) file.bytes = checked_size(*size, file.name, where);
  const Json* lfs = member(entry, "lfs");
  const Json* sha256 = lfs != nullptr && lfs->is_object() ? member(*lfs, keys.sha256) : nullptr;
  if (sha256 != nullptr) {
    file.kind = HashKind::kSha256;
    file.hash = checked_hash(*sha256, 64, file.name, where);
    if (const Json* size = member(*lfs, "size")) file.bytes = checked_size(*size, file.name, where);
  } else if (const Json* blob = member(entry, keys.blob); blob != nullptr && lfs == nullptr) {
    file.hash = checked_hash(*blob, 40, file.name, where);
  }
  // A checksum without a size would leave the disk check and the progress without a number.
  if (member(entry, "size") == nullptr && file.bytes == 0) file.hash.clear();
  return file;
}

}  // namespace

Listing parse_listing(std::string_view text, const std::string& where) {
  const Json json = parse(text, where);
  const Json* commit = json.is_object() ? member(json, "sha") : nullptr;
  const Json* siblings = json.is_object() ? member(json, "siblings") : nullptr;
  if (commit == nullptr || !commit->is_string() ||
      !is_hash(commit->get_ref<const std::string&>(), 40))
    refuse(where, "the hub's answer names no commit");
  if (siblings == nullptr || !siblings->is_array())
    refuse(where, "the hub's answer lists no files");
  Listing listing;
  listing.commit = commit->get<std::string>();
  for (const Json& entry : *siblings) listing.files.push_back(parse_file(entry, kSibling, where));
  std::sort(listing.files.begin(), listing.files.end(),
            [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; });
  for (size_t i = 1; i < listing.files.size(); ++i)
    if (listing.files[i].name == listing.files[i - 1].name)
      refuse(where, "the hub lists file '" + shown(listing.files[i].name) + "' twice");
  return listing;
}

void add_tree_details(Listing& listing, std::string_view text, const std::string& where) {
  const Json json = parse(text, where);
  if (!json.is_array()) refuse(where, "the hub's answer lists no files");
  for (const Json& entry : json) {
    const Json* type = entry.is_object() ? member(entry, "type") : nullptr;
    if (type == nullptr || *type != "file") continue;
    RemoteFile file = parse_file(entry, kTreeEntry, where);
    auto found = std::lower_bound(
        listing.files.begin(), listing.files.end(), file.name,
        [](const RemoteFile& other, const std::string& name) { return other.name < name; });
    if (found != listing.files.end() && found->name == file.name && found->hash.empty())
      *found = std::move(file);
  }
}

Hasher content_hasher(const RemoteFile& file) {
  Hasher hasher(file.kind);
  // git names a blob by the hash of this head and the content.
  if (file.kind == HashKind::kSha1)
    hasher.update("blob " + std::to_string(file.bytes) + std::string(1, '\0'));
  return hasher;
}

bool content_matches(const std::filesystem::path& path, const RemoteFile& file,
                     const std::function<void(uint64_t)>& tick) {
  constexpr size_t kPiece = 4 << 20;
  const MappedFile content(path);
  if (content.bytes().size() != file.bytes) return false;
  Hasher hasher = content_hasher(file);
  for (size_t at = 0; at < content.bytes().size(); at += kPiece) {
    hasher.update(content.bytes().subspan(at, std::min(kPiece, content.bytes().size() - at)));
    tick(std::min(at + kPiece, content.bytes().size()));
  }
  return hasher.finish() == file.hash;
}

std::string hash_text(const RemoteFile& file) {
  return (file.kind == HashKind::kSha256 ? "sha256:" : "git-sha1:") + file.hash;
}

}  // namespace slmtune::ops
