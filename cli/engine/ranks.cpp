#include "cli/engine/ranks.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "collective/join.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::cli {

void pick_gpu(const collective::Launch& launch) {
  const std::string gpu = collective::visible_gpu(launch, std::getenv("CUDA_VISIBLE_DEVICES"));
  if (!gpu.empty()) setenv("CUDA_VISIBLE_DEVICES", gpu.c_str(), 1);
}

void Ranks::join(bool on_gpu) {
  if (!launch_.several()) return;
  joined_ = collective::join(launch_, on_gpu);
  log_info(fmt::format("{} processes train together; messages and files are those of rank 0",
                       launch_.size));
}

void Ranks::leave() {
  if (!joined_) return;
  joined_->leave();
  joined_.reset();
}

void Ranks::tell(const std::optional<train::Identity>& identity) {
  if (!joined_) return;
  const std::string text = identity ? Json(*identity).dump() : "";
  const auto told = std::as_bytes(std::span(text));
  std::vector<std::byte> bytes(told.begin(), told.end());
  joined_->broadcast(bytes);
}

std::optional<train::Identity> Ranks::hear() {
  std::vector<std::byte> bytes;
  all().broadcast(bytes);
  if (bytes.empty()) return std::nullopt;
  const auto* first = reinterpret_cast<const char*>(bytes.data());
  return Json::parse(first, first + bytes.size()).get<train::Identity>();
}

std::string Ranks::text_of(const Error& error) {
  const Diagnostic& first = error.diagnostics().front();
  return fmt::format("error[{}]: {}", first.code, first.what);
}

void check_same_run(int rank, const train::Identity& leaders, const train::Identity& own) {
  for (const train::IdentityChange& change : train::identity_changes(leaders, own)) {
    if (change.field.starts_with("kernel.")) continue;
    const auto value = [](const std::string& text) {
      return text.empty() ? std::string("absent") : "'" + shown(text, 24) + "'";
    };
    throw UserError("P002", fmt::format("rank {}", rank),
                    fmt::format("'{}' is {} on rank {} and {} on rank 0", shown(change.field),
                                value(change.now), rank, value(change.before)),
                    "start all ranks with the same command and copies of the same files");
  }
}

}  // namespace slmtune::cli
