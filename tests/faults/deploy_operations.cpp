#include "tests/faults/deploy_operations.h"

#include <fstream>
#include <string>

#include "core/error.h"
#include "core/sha256.h"
#include "ops/deploy/deploy.h"
#include "tests/faults/plain_file.h"

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

std::string model(int64_t number) {
  return std::string(3000, static_cast<char>('0' + number));
}

std::string content_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

fs::path export_of(const fs::path& root, int64_t number) {
  return root / "store/exports" / ("000" + std::to_string(number)) / "faq-q8_0.gguf";
}

ops::DeployWork work_of(const fs::path& root, int64_t number) {
  ops::DeployWork work;
  work.store = root / "store";
  work.number = number;
  work.target.name = "office";
  work.target.kind = "folder";
  work.target.path = (root / "served").string();
  work.context_of = [](int64_t) {
    ops::PlaceContext context;
    context.model = "faq";
    return context;
  };
  work.file_of = [root](int64_t wanted, bool, bool) {
    const fs::path file = export_of(root, wanted);
    return ops::HandedFile{file, sha256_file(file)};
  };
  work.probe_of = [](int64_t) { return ops::Probe{}; };
  return work;
}

void prepare(const fs::path& root, int64_t deployed) {
  auto store = store::SnapshotStore::create_or_open(root / "store");
  for (int64_t number = 1; number <= 2; ++number) {
    store::Manifest manifest;
    manifest.number = store.claim();
    manifest.name = "faq";
    write_plainly(store.staging(number) / "adapter.bin", "weights", true);
    store.publish(manifest);
    fs::create_directories(export_of(root, number).parent_path());
    write_plainly(export_of(root, number), model(number), true);
  }
  for (int64_t number = 1; number <= deployed; ++number) ops::deploy(work_of(root, number));
}

// The server finds a whole model whenever it looks; once done, the wanted one.
std::string served_problem(const fs::path& root, int64_t before, int64_t after, bool done) {
  const std::string served = content_of(root / "served/current.gguf");
  if (served == model(after)) return "";
  if (done) return "the wanted model does not serve";
  return served == model(before) ? "" : "no whole model serves";
}

// A state is good when the same command leads to the end from it, too.
Operation forward() {
  return {"deploy to a folder", [](const fs::path& root) { prepare(root, 1); },
          [](const fs::path& root) { ops::deploy(work_of(root, 2)); },
          [](const fs::path& root, bool done) {
            std::string found = served_problem(root, 1, 2, done);
            if (!found.empty()) return found;
            ops::deploy(work_of(root, 2));
            found = served_problem(root, 1, 2, true);
            if (!found.empty()) return "deployed again: " + found;
            ops::roll_back(work_of(root, 0));
            return served_problem(root, 2, 1, true);
          },
          ".deploy-"};
}

Operation back() {
  return {"take a deploy to a folder back", [](const fs::path& root) { prepare(root, 2); },
          [](const fs::path& root) { ops::roll_back(work_of(root, 2)); },
          [](const fs::path& root, bool done) {
            std::string found = served_problem(root, 2, 1, done);
            if (!found.empty()) return found;
            ops::roll_back(work_of(root, 2));
            found = served_problem(root, 2, 1, true);
            return found.empty() ? "" : "taken back again: " + found;
          },
          ".deploy-"};
}

}  // namespace

std::vector<Operation> deploy_operations() {
  return {forward(), back()};
}

}  // namespace slmtune::faults
