#include "tests/faults/shim_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace slmtune::faults {
namespace {

namespace fs = std::filesystem;

std::string content_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "fault shim: %s: errno %d\n", what.c_str(), errno);
  std::abort();
}

}  // namespace

void DiskModel::begin(const std::string& root) {
  nodes_.clear();
  by_inode_.clear();
  root_ = root;
  fs::remove_all(root_ + ".held");
  fs::create_directory(root_ + ".held");
  node_of(root_, true);
}

std::string DiskModel::held(size_t node) const {
  return root_ + ".held/" + std::to_string(node);
}

// The node of what lies at `path`; new ones are taken up with all that is below them.
size_t DiskModel::node_of(const std::string& path, bool is_synced) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) give_up(path);
  if (auto known = by_inode_.find(status.st_ino); known != by_inode_.end()) return known->second;
  const size_t index = nodes_.size();
  by_inode_[status.st_ino] = index;
  nodes_.push_back({S_ISDIR(status.st_mode), status.st_mode & 07777, {}, {}, {}});
  if (nodes_[index].is_folder) {
    Entries entries = scan(path, is_synced);
    if (!is_synced) nodes_[index].versions.push_back({});
    nodes_[index].versions.push_back(std::move(entries));
  } else if (S_ISLNK(status.st_mode)) {
    // Its text comes with its entry in the folder.
    if (link(path.c_str(), held(index).c_str()) != 0) give_up(path);
    nodes_[index].target = fs::read_symlink(path).string();
  } else {
    // Keeps the inode and its number while the model speaks of it.
    if (link(path.c_str(), held(index).c_str()) != 0) give_up(path);
    if (is_synced) nodes_[index].synced_content = content_of(path);
  }
  return index;
}

DiskModel::Entries DiskModel::scan(const std::string& folder, bool is_synced) {
  Entries entries;
  DIR* stream = opendir(folder.c_str());
  if (!stream) give_up(folder);
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") entries[name] = node_of(folder + "/" + name, is_synced);
  }
  closedir(stream);
  return entries;
}

void DiskModel::entries_changed(const std::string& folder) {
  const size_t node = node_of(folder, false);
  Entries entries = scan(folder, false);
  nodes_[node].versions.push_back(std::move(entries));
}

void DiskModel::folder_removed(ino_t inode) {
  by_inode_.erase(inode);
}

void DiskModel::synced(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) give_up("fstat");
  auto known = by_inode_.find(status.st_ino);
  if (known == by_inode_.end()) return;
  Node& node = nodes_[known->second];
  if (node.is_folder)
    node.versions.erase(node.versions.begin(), node.versions.end() - 1);
  else
    node.synced_content = content_of(held(known->second));
}

uint64_t DiskModel::random(uint64_t below) {
  random_state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = random_state_;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % below;
}

std::string DiskModel::content_after(size_t index, Loss loss) {
  const std::string& synced = nodes_[index].synced_content;
  if (loss == Loss::kEverything || loss == Loss::kContents) return synced;
  std::string now = content_of(held(index));
  if (loss == Loss::kEntries || now == synced) return now;
  const bool is_longer = now.starts_with(synced);
  const size_t kept = is_longer ? synced.size() : 0;
  switch (random(4)) {
    case 0:
      return synced;
    case 1:
      return now;
    case 2:
      return now.substr(0, kept + random(now.size() - kept + 1));
    default:  // the size arrived, the blocks did not
      return now.substr(0, kept) + std::string(now.size() - kept, '\0');
  }
}

void DiskModel::emit(size_t index, const std::string& path, Loss loss) {
  if (!nodes_[index].target.empty()) {
    fs::create_symlink(nodes_[index].target, path);
    return;
  }
  if (!nodes_[index].is_folder) {
    std::ofstream(path, std::ios::binary) << content_after(index, loss);
    chmod(path.c_str(), nodes_[index].mode);
    return;
  }
  mkdir(path.c_str(), 0755);
  const auto& versions = nodes_[index].versions;
  const size_t version = loss == Loss::kContents ? versions.size() - 1
                         : loss == Loss::kTorn   ? random(versions.size())
                                                 : 0;
  for (const auto& [name, child] : versions[version]) emit(child, path + "/" + name, loss);
  chmod(path.c_str(), nodes_[index].mode);
}

void DiskModel::cut(Loss loss, uint64_t seed) {
  random_state_ = seed;
  const std::string fresh = root_ + ".cut";
  fs::remove_all(fresh);
  emit(0, fresh, loss);  // the root is the first node
  fs::remove_all(root_);
  fs::rename(fresh, root_);
  fs::remove_all(root_ + ".held");
  root_.clear();
}

}  // namespace slmtune::faults
