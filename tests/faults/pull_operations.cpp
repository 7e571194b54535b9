#include "tests/faults/pull_operations.h"

#include <fstream>
#include <string>

#include "core/atomic_file.h"
#include "core/sha256.h"
#include "ops/hub/manifest.h"
#include "ops/hub/pull.h"
#include "tests/faults/plain_file.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;  // name -> content

const std::string kFirst(40, 'a'), kSecond(40, 'b');  // commits

Files revision(const std::string& commit) {
  const char mark = commit.front();
  return {{"config.json", "{\"mark\": \"" + std::string(900, mark) + "\"}"},
          {"tokenizer.json", "{\"same\": true}"},
          {"model.safetensors", std::string(3000, mark)}};
}

// Git's name of a small file, SHA-256 of weights.
std::string hash_of(const std::string& name, const std::string& content) {
  if (name.ends_with(".safetensors")) return sha256(content);
  Hasher hasher(HashKind::kSha1);
  hasher.update("blob " + std::to_string(content.size()) + std::string(1, '\0'));
  hasher.update(content);
  return hasher.finish();
}

fs::path hub_of(const fs::path& root) {
  return root.parent_path() / "hub";
}

void fill_cache(const fs::path& root, const std::string& commit) {
  const fs::path repository = hub_of(root) / "models--a--b";
  const fs::path snapshot = repository / "snapshots" / commit;
  for (const fs::path& folder : {repository / "blobs", snapshot}) make_folder(folder);
  for (const auto& [name, content] : revision(commit)) {
    const fs::path blob = repository / "blobs" / hash_of(name, content);
    if (!fs::exists(blob)) write_plainly(blob, content, true);
    fs::create_symlink(fs::path("../../blobs") / blob.filename(), snapshot / name);
  }
}

void pull_revision(const fs::path& root, const std::string& commit) {
  ops::HubSettings hub;
  hub.endpoint = "https://hub.invalid";
  hub.cache = hub_of(root);
  hub.offline = true;
  ops::pull({.repository = {"a/b", commit}, .folder = root / "model"}, hub);
}

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// Each file is of one of these revisions; once done, all are of the last and the manifest says so.
std::string model_problem(const fs::path& folder, const std::vector<std::string>& commits,
                          bool done) {
  const bool is_new = commits.size() == 1;
  for (const auto& [name, wanted] : revision(commits.back())) {
    const std::string found = content_of(folder / name);
    if (found == wanted) continue;
    if (done) return name + " is not the pulled one";
    if (is_new && !fs::exists(folder / name)) continue;
    if (is_new || found != revision(commits.front()).at(name)) return name + " is damaged or gone";
  }
  if (done && ops::read_manifest(folder).commit != commits.back()) return "the manifest is lost";
  return "";
}

// A state is good when the same command leads to the whole revision from it, too.
std::string problem(const fs::path& root, const std::vector<std::string>& commits, bool done) {
  std::string found = model_problem(root / "model", commits, done);
  if (!found.empty()) return found;
  pull_revision(root, commits.back());
  found = model_problem(root / "model", commits, true);
  return found.empty() ? "" : "pulled again: " + found;
}

Operation first_pull() {
  return {"pull a model", [](const fs::path& root) { fill_cache(root, kFirst); },
          [](const fs::path& root) { pull_revision(root, kFirst); },
          [](const fs::path& root, bool done) { return problem(root, {kFirst}, done); }, ".pull"};
}

Operation newer_pull() {
  return {"pull its next revision",
          [](const fs::path& root) {
            fill_cache(root, kFirst);
            fill_cache(root, kSecond);
            pull_revision(root, kFirst);
          },
          [](const fs::path& root) { pull_revision(root, kSecond); },
          [](const fs::path& root, bool done) { return problem(root, {kFirst, kSecond}, done); },
          ".pull"};
}

}  // namespace

std::vector<Operation> pull_operations() {
  return {first_pull(), newer_pull()};
}

}  // namespace slmtune::faults
