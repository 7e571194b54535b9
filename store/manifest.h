// manifest.json of a snapshot: where it comes from, and size and SHA-256 of every file, so that a
// change after publishing is found. The store writes it last; a folder without one is no snapshot.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "core/json.h"

namespace slmtune::store {

inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kRecipeName = "recipe.yaml";  // beside it: what it was trained by

struct FileRecord {
  std::string sha256;
  uint64_t bytes = 0;
};

struct Manifest {
  int64_t number = 0;           // as claimed from the store
  std::string name;             // the recipe's name
  std::string created;          // UTC; filled by publish when empty
  std::string method;           // lora | full
  std::string parent;           // "" or "STORE#n": the snapshot training went on from
  std::string base_path;        // model folder, as the recipe names it
  std::string base_quant;       // "nf4" when the base's own files are in 4 bits; else ""
  std::string program_version;  // filled by publish when empty
  std::string run;              // name of the run's folder in runs/; "" in older manifests
  // SHA-256 of base, dataset, recipe, tokenizer, template, and of the parent's manifest.json
  std::map<std::string, std::string> hashes;
  // SHA-256 over what training determines: equal for two runs of one recipe that give the same
  // weights. Filled by publish; "" in older manifests.
  std::string content;
  std::map<std::string, FileRecord> files;      // by path within the folder; filled by publish
  OrderedJson metrics = OrderedJson::object();  // short summary of the run's results
};

OrderedJson manifest_to_json(const Manifest& manifest);  // schema 1, which has no seal

// Writes `folder`/manifest.json, with a SHA-256 of the manifest itself at its end.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

// Reads `folder`/manifest.json. S005 when it is damaged or missing.
Manifest read_manifest(const std::filesystem::path& folder);

// Records of all files below `folder` except manifest.json itself; each is made read-only (for the
// owner and the group at most) and fsynced. InternalError for a link.
std::map<std::string, FileRecord> seal_files(const std::filesystem::path& folder);
void seal_file(const std::filesystem::path& file);

// SHA-256 over names and hashes of the files that training determines: weights, their
// configuration, tokenizer. Left out is what tells about the run (card, scores, recipe, row index).
std::string content_hash(const std::map<std::string, FileRecord>& files);

// Gets the bytes hashed since the last call.
using HashProgress = std::function<void(uint64_t bytes)>;

// Compares the folder with its manifest, all differences at once: S004 changed or added, S006
// missing; S005.
Manifest verify_snapshot(const std::filesystem::path& folder, const HashProgress& progress = {});

}  // namespace slmtune::store
