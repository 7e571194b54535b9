#include "store/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "core/atomic_file.h"
#include "core/crc32c.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = 256ull << 20;
constexpr size_t kMaxLine = 1 << 20;
constexpr int64_t kMaxNumber = 1'000'000'000'000;
constexpr std::string_view kCrc = ",\"crc\":\"";
constexpr size_t kCrcTail = kCrc.size() + 8 + 2;  // 8 digits and "}

// Whose move it is. Asking the system's user database may open a socket, so the environment has to
// do.
std::string current_user() {
  for (const char* name : {"SUDO_USER", "LOGNAME", "USER"})
    if (const char* value = std::getenv(name); value && *value) return shown(value, 64);
  return "uid " + std::to_string(getuid());
}

std::string with_crc(std::string text) {
  const uint32_t crc = crc32c(text);
  text.pop_back();
  return text + std::string(kCrc) + fmt::format("{:08x}\"}}", crc);
}

enum class Crc { kNone, kRight, kWrong };

Crc check_crc(std::string_view text) {
  if (text.size() <= kCrcTail) return Crc::kNone;
  const std::string_view tail = text.substr(text.size() - kCrcTail);
  if (!tail.starts_with(kCrc)) return Crc::kNone;
  const std::string body = std::string(text.substr(0, text.size() - kCrcTail)) + "}";
  return with_crc(body) == text ? Crc::kRight : Crc::kWrong;
}

std::optional<JournalLine> line_of(const Json& record) {
  auto text = [&](const char* key) {
    auto found = record.find(key);
    return found != record.end() && found->is_string() ? found->get<std::string>() : "";
  };
  if (!record.is_object() || !record.contains("number") || !record["number"].is_number_integer())
    return std::nullopt;
  JournalLine line;
  line.number = record["number"].get<int64_t>();
  if (line.number < 0 || line.number > kMaxNumber) return std::nullopt;
  line.action = text("action");
  line.alias = text("alias");
  line.reason = text("reason");
  line.time = text("time");
  line.user = text("user");
  line.target = text("target");
  if (record.contains("from") && record["from"].is_number_integer())
    line.from = record["from"].get<int64_t>();
  return line;
}

void read_line(std::string_view text, int64_t number, Journal& journal) {
  if (text.empty()) return;
  if (text.size() > kMaxLine) {
    journal.problems.push_back({number, false});
    return;
  }
  const Crc crc = check_crc(text);
  auto line = crc == Crc::kWrong ? std::nullopt : line_of(Json::parse(text, nullptr, false));
  // Only lines of older versions, which name no user, have no checksum.
  if (line && (crc == Crc::kRight || line->user.empty()))
    journal.lines.push_back(std::move(*line));
  else
    journal.problems.push_back({number, crc == Crc::kNone && text.back() != '}'});
}

}  // namespace

Journal read_journal(const fs::path& path) {
  Journal journal;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return journal;
  const std::string content = read_text_file(path, kMaxBytes);
  int64_t number = 0;
  for (std::string_view rest = content; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    read_line(rest.substr(0, end), ++number, journal);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return journal;
}

int64_t highest_number(const Journal& journal) {
  int64_t highest = 0;
  for (const JournalLine& line : journal.lines) highest = std::max(highest, line.number);
  return highest;
}

std::set<int64_t> withdrawn_numbers(const Journal& journal) {
  std::set<int64_t> numbers;
  for (const JournalLine& line : journal.lines)
    if (line.action == "withdraw") numbers.insert(line.number);
  return numbers;
}

std::map<std::string, TargetMove> deployed_numbers(const Journal& journal) {
  std::map<std::string, TargetMove> targets;
  for (const JournalLine& line : journal.lines) {
    if (line.target.empty()) continue;
    TargetMove& move = targets[line.target];
    const int64_t from = line.from.value_or(0);
    if (line.action != "refuse")
      move = {line.number, from};
    else if (from != 0 && move.number == line.number)
      move = {from, 0};
  }
  return targets;
}

JournalWriter::JournalWriter(fs::path path, std::chrono::milliseconds patience)
    : path_(std::move(path)) {
  do descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) throw_io_error(path_.string(), "cannot open", errno);
  try {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        throw_io_error(path_.string(), "cannot lock", errno);
      if (std::chrono::steady_clock::now() >= deadline)
        throw BusyError("L001", path_.string(), "another command is moving an alias of this store",
                        "try again in a moment");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    struct stat status;
    if (fstat(descriptor_, &status) != 0) throw_io_error(path_.string(), "cannot read", errno);
    // A new file: its name is made durable before its first line.
    if (status.st_size == 0) sync_folder(folder_of(path_));
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

JournalWriter::~JournalWriter() {
  close(descriptor_);
}

void JournalWriter::append(JournalLine line) {
  OrderedJson record = {{"time", utc_now()},
                        {"user", current_user()},
                        {"action", line.action},
                        {"number", line.number}};
  if (!line.alias.empty()) record["alias"] = line.alias;
  if (!line.target.empty()) record["target"] = line.target;
  if (line.from) record["from"] = *line.from;
  if (!line.reason.empty()) record["reason"] = line.reason;
  append_line(path_, with_crc(record.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)),
              true);
}

}  // namespace slmtune::store
