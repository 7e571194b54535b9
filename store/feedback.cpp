#include "store/feedback.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"

namespace slmtune::store {
namespace {

constexpr uint64_t kMaxBytes = 1ull << 30;

std::optional<Vote> vote_of(std::string_view line) {
  const Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    auto found = record.find(key);
    return found != record.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const auto snapshot = record.find("snapshot");
  const std::string direction = text("vote");
  if (snapshot == record.end() || !snapshot->is_number_integer() || text("answer").empty() ||
      (direction != "up" && direction != "down"))
    return std::nullopt;
  return Vote{text("answer"), snapshot->get<int64_t>(), direction == "up", text("time")};
}

}  // namespace

void append_vote(const std::filesystem::path& path, const Vote& vote) {
  SLMTUNE_ASSERT(!vote.answer.empty() && vote.snapshot > 0, "a vote on nothing");
  const OrderedJson record = {{"answer", vote.answer},
                              {"snapshot", vote.snapshot},
                              {"vote", vote.is_up ? "up" : "down"},
                              {"time", vote.time.empty() ? utc_now() : vote.time}};
  append_line(path, record.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), true);
}

Votes read_votes(const std::filesystem::path& path) {
  Votes result;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return result;
  const std::string content = read_text_file(path, kMaxBytes);
  std::map<std::pair<int64_t, std::string>, size_t> last;  // index in votes
  std::vector<std::optional<Vote>> votes;
  for (std::string_view rest = content; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    std::optional<Vote> vote = vote_of(line);
    if (!vote) {
      ++result.passed_over;
      continue;
    }
    auto [known, is_new] = last.try_emplace({vote->snapshot, vote->answer}, votes.size());
    if (!is_new) votes[std::exchange(known->second, votes.size())].reset();
    votes.push_back(std::move(vote));
  }
  for (std::optional<Vote>& vote : votes)
    if (vote) result.votes.push_back(std::move(*vote));
  return result;
}

}  // namespace slmtune::store
