// Targets without a server of their own to ask: a folder that somebody else's server reads, and LM
// Studio's folder. A model is a file with its number in the name, never written over; in a folder
// the link current.gguf names the one that serves.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/atomic_file.h"
#include "core/disk_space.h"
#include "core/error.h"
#include "core/folder_removal.h"
#include "core/log.h"
#include "core/sha256.h"
#include "ops/deploy/lmstudio.h"
#include "ops/deploy/place.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCurrent = "current.gguf";
constexpr const char* kSums = "SHA256SUMS";
constexpr const char* kUnfinished = ".deploy-";  // begins names that a rename takes away

fs::path folder_of_target(const PlaceContext& context) {
  const Target& target = context.target;
  if (target.kind == "folder") return *target.path;
  const char* home = std::getenv("HOME");
  const fs::path models =
      target.path ? fs::path(*target.path) : lmstudio_models(home != nullptr ? home : "");
  // LM Studio lists files two folders down, no others.
  const bool has_owner = context.model.find('/') != std::string::npos;
  return models / (has_owner ? context.model : "slmtune/" + context.model);
}

bool is_whole(const fs::path& file, const Deployed& model, bool thoroughly) {
  std::error_code missing;
  return fs::file_size(file, missing) == model.bytes && !missing &&
         (!thoroughly || sha256_file(file) == model.sha256);
}

// "faq-q8_0.gguf" of snapshot 42 becomes "faq-0042-q8_0", and .gguf.
std::string versioned_stem(const std::string& model, const Deployed& wanted) {
  const std::string name = fs::path(model).filename().string();
  const std::string stem = wanted.file.stem().string();
  const size_t dash = stem.rfind('-');
  const std::string encoding = dash == std::string::npos ? "" : stem.substr(dash);
  return fmt::format("{}-{:04}{}", name, wanted.number, encoding);
}

class FilePlace : public Place {
 public:
  explicit FilePlace(PlaceContext context)
      : context_(std::move(context)), folder_(folder_of_target(context_)) {}

  std::string where(const Deployed& model) const override {
    return (has_link() ? folder_ / kCurrent : folder_ / model.name).string();
  }

  std::string fault(const Deployed& model, bool thoroughly) override {
    std::error_code missing;
    const fs::path file = folder_ / model.name;
    if (!fs::exists(file, missing)) return "'" + file.string() + "' is missing";
    if (!is_whole(file, model, thoroughly)) return "'" + file.string() + "' was changed";
    if (has_link() && !is_linked(model.name))
      return "'" + (folder_ / kCurrent).string() + "' does not name it";
    return "";
  }

  bool can_be_asked() const override { return false; }

  void recover(DeployState& state, const SaveState& save) override {
    std::error_code missing;
    if (fs::is_directory(folder_, missing)) remove_unfinished();
    if (state.pending && state.pending->is_checked && is_linked(state.pending->name))
      state.exchange();
    clear_away(state, save);
  }

  void prepare(DeployState& state, const SaveState& save) override {
    Deployed& wanted = *state.pending;
    wanted.name = state.free_name(versioned_stem(context_.model, wanted), ".gguf", wanted);
    save();
    make_folder(folder_);
    remove_unfinished();
    const fs::path file = folder_ / wanted.name;
    if (is_whole(file, wanted, true)) return;
    need_file(wanted);
    bring(wanted.file, file);
    if (!is_whole(file, wanted, true))
      throw IoError("W001", file.string(), "what was written is not what was read",
                    "check the disk");
  }

  ProbeResult probe(const Deployed&, const Probe&) override { return {}; }

  std::optional<double> activate(DeployState& state, const SaveState&) override {
    if (!has_link()) return std::nullopt;
    write_sums(state);
    point_link(state.pending->name);
    return std::nullopt;
  }

  void discard(const DeployState& state) noexcept override {
    if (!state.pending || state.pending->name.empty() || state.has_name(state.pending->name))
      return;
    try {
      // The link was set, and what came after that failed.
      if (is_linked(state.pending->name) && state.current) point_link(state.current->name);
      if (!is_linked(state.pending->name)) fs::remove(folder_ / state.pending->name);
    } catch (const std::exception& error) {
      log_verbose(error.what());
    }
  }

  void forget(const Deployed& model, const DeployState& state) override {
    if (model.name.empty() || state.has_name(model.name)) return;
    fs::remove(folder_ / model.name);
    if (has_link()) write_sums(state);
  }

  bool unload(const DeployState&) override { return false; }
  void load(DeployState&, const SaveState&) override {}

 private:
  bool has_link() const { return context_.target.kind == "folder"; }
  bool is_linked(const std::string& name) const {
    std::error_code missing;
    return has_link() && fs::read_symlink(folder_ / kCurrent, missing) == name;
  }
  void point_link(const std::string& name) const {
    const fs::path link = folder_ / kCurrent, fresh = unfinished(link);
    std::error_code ignored;
    fs::remove(fresh, ignored);
    fs::create_symlink(name, fresh);
    fs::rename(fresh, link);
    sync_folder(folder_);
  }

  static fs::path unfinished(const fs::path& path) {
    return path.parent_path() / (kUnfinished + path.filename().string());
  }
  // What a deploy left that was killed or could not write.
  void remove_unfinished() const {
    std::vector<fs::path> left;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path().filename().string().starts_with(kUnfinished)) left.push_back(entry.path());
    for (const fs::path& path : left) fs::remove(path);
    remove_temporaries(folder_);
  }

  // By a hard link where that is possible: at once, and without room. Under another name first:
  // servers that have a file of this name open keep what they have.
  static void bring(const fs::path& from, const fs::path& to) {
    const fs::path fresh = unfinished(to);
    if (link(from.c_str(), fresh.c_str()) == 0) {
      fs::rename(fresh, to);
      sync_folder(to.parent_path());
      return;
    }
    log_verbose("deploy: '" + from.string() + "' is copied, it cannot be linked there");
    check_free_space(to.parent_path(), fs::file_size(from), "the deployed model");
    copy_file_atomically(from, to);
  }

  // For 'sha256sum -c SHA256SUMS'.
  void write_sums(const DeployState& state) const {
    std::string text;
    std::vector<std::string> done;
    const auto add = [&](const Deployed& one) {
      if (std::find(done.begin(), done.end(), one.name) != done.end()) return;
      done.push_back(one.name);
      text += one.sha256 + "  " + one.name + "\n";
    };
    for (const Deployed& one : state.earlier) add(one);
    if (state.current) add(*state.current);
    if (state.pending) add(*state.pending);
    write_file(folder_ / kSums, text);
  }

  PlaceContext context_;
  fs::path folder_;
};

}  // namespace

std::unique_ptr<Place> make_file_place(PlaceContext context) {
  return std::make_unique<FilePlace>(std::move(context));
}

}  // namespace slmtune::ops
