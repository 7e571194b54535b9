#include "collective/store_collective.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "core/text.h"

namespace slmtune::collective {
namespace {

// A lost rank is noticed this late at most.
constexpr double kLookSeconds = 0.5;
constexpr double kLeaveSeconds = 30.0;

std::string key_of(int64_t call, int rank) {
  return fmt::format("call/{}/{}", call, rank);
}

std::string here_key(int rank) {
  return fmt::format("here/{}", rank);
}

std::string met_key(int rank) {
  return fmt::format("met/{}", rank);
}

std::string left_key(int rank) {
  return fmt::format("left/{}", rank);
}

}  // namespace

StoreCollective::StoreCollective(const Launch& launch)
    : Collective(launch.rank, launch.size), launch_(launch), store_(launch) {
  meet();
  watch_ = std::make_unique<Watch>(store_, launch_, [this] { on_loss(); });
}

StoreCollective::~StoreCollective() = default;

// Each tells the others its rank and how many it was told of, and then that it has heard them.
void StoreCollective::meet() {
  const std::string own = here_key(rank());
  if (store_.add(own + "/times", 1) > 1)
    throw UserError("P002", fmt::format("rank {}", rank()),
                    fmt::format("two processes are rank {}", rank()),
                    "give each process a RANK of its own, and each run a MASTER_PORT of its own");
  store_.set_text(own, std::to_string(size()));
  try {
    hear_all();
  } catch (const Error&) {
    store_.set_text(met_key(rank()), "");
    if (leads()) wait_for_those_here();
    throw;
  }
  store_.set_text(met_key(rank()), "");
}

void StoreCollective::hear_all() {
  const double until = now_seconds() + launch_.patience;
  for (int other = 0; other < size(); ++other) {
    const std::string key = here_key(other);
    while (!store_.wait(key, kLookSeconds)) {
      check_stop();
      if (now_seconds() > until)
        throw UnavailableError(
            "P005", fmt::format("rank {}", other),
            fmt::format("rank {} did not come within {}", other, human_seconds(launch_.patience)),
            fmt::format("start {} processes, each with its RANK", size()));
    }
    const std::string told = store_.get_text(key);
    if (told != std::to_string(size()))
      throw UserError("P002", fmt::format("rank {}", other),
                      fmt::format("rank {} was told of {} processes, rank {} of {}", other, told,
                                  rank(), size()),
                      "WORLD_SIZE must be the same on every rank");
  }
}

// The key store goes with rank 0: who came can still read then why there is no run.
void StoreCollective::wait_for_those_here() {
  const double until = now_seconds() + kHearSeconds;
  for (int other = 1; other < size(); ++other)
    while (store_.has(here_key(other)) && !store_.wait(met_key(other), kLookSeconds) &&
           now_seconds() < until)
      continue;
}

std::vector<std::byte> StoreCollective::value_of(int64_t call, int rank) {
  const std::string key = key_of(call, rank);
  const double until = now_seconds() + launch_.patience;
  try {
    while (!store_.wait(key, kLookSeconds)) {
      watch_->check();
      if (now_seconds() > until)
        throw_lost(rank, "did not come within " + human_seconds(launch_.patience));
    }
    return store_.get(key);
  } catch (const Error&) {
    watch_->check();  // rank 0 took the key store along, but had told why
    throw;
  }
}

// Everybody who has a call behind them is past all calls before it.
void StoreCollective::forget_before(int64_t call) {
  std::erase_if(kept_, [&](const auto& kept) {
    if (kept.first >= call) return false;
    store_.remove(kept.second);
    return true;
  });
}

template <typename Number>
void StoreCollective::sum_piece(std::span<Number> piece) {
  const int64_t call = calls_++;
  const std::vector<Number> own(piece.begin(), piece.end());
  store_.set(key_of(call, rank()), std::as_bytes(std::span(own)));
  kept_.emplace_back(call, key_of(call, rank()));
  std::fill(piece.begin(), piece.end(), Number{0});
  for (int other = 0; other < size(); ++other) {
    std::vector<Number> part = own;
    if (other != rank()) {
      const std::vector<std::byte> bytes = value_of(call, other);
      if (bytes.size() != piece.size_bytes())
        throw UserError("P002", fmt::format("rank {}", other),
                        fmt::format("rank {} is at another place of the run", other),
                        "start all ranks with the same command and the same files");
      std::memcpy(part.data(), bytes.data(), bytes.size());
    }
    for (size_t i = 0; i < piece.size(); ++i) piece[i] += part[i];
  }
  forget_before(call);
}

void StoreCollective::sum(float* values, int64_t count) {
  watch_->check();
  constexpr auto kPiece = static_cast<int64_t>(KeyStore::kLargestValue / sizeof(float));
  for (int64_t first = 0; first < count; first += kPiece)
    sum_piece(std::span(values + first, static_cast<size_t>(std::min(kPiece, count - first))));
}

void StoreCollective::sum(std::span<double> numbers) {
  watch_->check();
  constexpr size_t kPiece = KeyStore::kLargestValue / sizeof(double);
  for (size_t first = 0; first < numbers.size(); first += kPiece)
    sum_piece(numbers.subspan(first, std::min(kPiece, numbers.size() - first)));
}

void StoreCollective::broadcast(std::vector<std::byte>& bytes) {
  watch_->check();
  uint64_t left = bytes.size();
  const int64_t call = calls_++;
  if (leads()) store_.set(key_of(call, 0), std::as_bytes(std::span(&left, 1)));
  if (leads()) kept_.emplace_back(call, key_of(call, 0));
  if (!leads()) std::memcpy(&left, value_of(call, 0).data(), sizeof(left));
  if (!leads()) bytes.clear();
  for (uint64_t first = 0; first < left; first += KeyStore::kLargestValue) {
    const int64_t piece = calls_++;
    if (leads()) {
      const size_t count = std::min<uint64_t>(KeyStore::kLargestValue, left - first);
      store_.set(key_of(piece, 0), std::span(bytes).subspan(first, count));
      kept_.emplace_back(piece, key_of(piece, 0));
    } else {
      const std::vector<std::byte> part = value_of(piece, 0);
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
  }
}

void StoreCollective::barrier() {
  double nothing = 0.0;
  sum({&nothing, 1});
}

void StoreCollective::settle() {
  watch_->check();
}

void StoreCollective::fail(const std::string& why) noexcept {
  if (watch_ && !watch_->loss()) watch_->tell(why);
}

// Rank 0 serves the keys, so it stays until the others have gone.
void StoreCollective::leave() {
  barrier();
  watch_->stop();
  store_.set_text(left_key(rank()), "");
  const double until = now_seconds() + kLeaveSeconds;
  for (int other = 1; leads() && other < size(); ++other)
    while (!store_.wait(left_key(other), kLookSeconds) && now_seconds() < until) continue;
}

}  // namespace slmtune::collective
