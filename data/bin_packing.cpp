#include "data/bin_packing.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <queue>
#include <utility>

namespace slmtune::data {
namespace {

using Bins = std::vector<std::vector<size_t>>;

// Exchanges are looked for in this many bins and sizes at most: with more of them the bins are
// equal enough without.
constexpr size_t kLevelledSizes = 512, kRounds = 256;

// Free space of the bins in a tournament tree: the first bin with enough room in O(log n).
class Room {
 public:
  Room(size_t most, int64_t budget)
      : leaves_(std::bit_ceil(std::max<size_t>(most, 1))), room_(2 * leaves_, budget) {}

  // Takes `size` from the first bin that has it; returns the bin. Precondition: size <= budget, a
  // bin per call is there.
  size_t take(int64_t size) {
    size_t node = 1;
    while (node < leaves_) node = room_[2 * node] >= size ? 2 * node : 2 * node + 1;
    room_[node] -= size;
    const size_t bin = node - leaves_;
    while (node /= 2) room_[node] = std::max(room_[2 * node], room_[2 * node + 1]);
    return bin;
  }

 private:
  size_t leaves_;
  std::vector<int64_t> room_;
};

Bins first_fit(std::span<const int64_t> sizes, std::span<const size_t> order, int64_t budget) {
  Room room(order.size(), budget);
  Bins bins;
  for (size_t item : order) {
    const size_t bin = room.take(sizes[item]);
    if (bin >= bins.size()) bins.resize(bin + 1);
    bins[bin].push_back(item);
  }
  return bins;
}

// Largest first, each into the bin that holds least. Nothing when one gets over the budget.
std::optional<Bins> least_filled(std::span<const int64_t> sizes, std::span<const size_t> order,
                                 size_t count, int64_t budget) {
  using Load = std::pair<int64_t, size_t>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> loads;
  for (size_t bin = 0; bin < count; ++bin) loads.emplace(0, bin);
  Bins bins(count);
  for (size_t item : order) {
    const auto [load, bin] = loads.top();
    loads.pop();
    if (load + sizes[item] > budget) return std::nullopt;
    loads.emplace(load + sizes[item], bin);
    bins[bin].push_back(item);
  }
  return bins;
}

// Makes bins more equal, step by step.
class Leveller {
 public:
  Leveller(std::span<const int64_t> sizes, Bins& bins) : sizes_(sizes), bins_(bins) {
    for (const auto& bin : bins) {
      loads_.push_back(0);
      for (size_t item : bin) loads_.back() += sizes[item];
    }
  }

  void run() {
    for (size_t round = 0; round < kRounds && lower_fullest(); ++round) continue;
  }

 private:
  struct Exchange {
    size_t bin = 0, given = 0, taken = 0;  // places in the fullest and in the other bin
    bool takes = false;
    int64_t fuller = 0;  // of the two, afterwards
  };

  bool lower_fullest() {
    const auto full =
        static_cast<size_t>(std::max_element(loads_.begin(), loads_.end()) - loads_.begin());
    Exchange best{.fuller = loads_[full]};
    for (size_t other = 0; other < bins_.size(); ++other)
      if (other != full) look(full, other, best);
    if (best.fuller == loads_[full]) return false;
    apply(full, best);
    return true;
  }

  void look(size_t full, size_t other, Exchange& best) const {
    for (size_t give = 0; give < bins_[full].size(); ++give) {
      consider(full, {.bin = other, .given = give}, best);
      for (size_t take = 0; take < bins_[other].size(); ++take)
        consider(full, {.bin = other, .given = give, .taken = take, .takes = true}, best);
    }
  }

  int64_t moved(size_t full, const Exchange& one) const {
    const int64_t given = sizes_[bins_[full][one.given]];
    return one.takes ? given - sizes_[bins_[one.bin][one.taken]] : given;
  }

  void consider(size_t full, Exchange one, Exchange& best) const {
    const int64_t size = moved(full, one);
    if (size <= 0) return;
    one.fuller = std::max(loads_[full] - size, loads_[one.bin] + size);
    if (one.fuller < best.fuller) best = one;
  }

  void apply(size_t full, const Exchange& one) {
    const int64_t size = moved(full, one);
    loads_[full] -= size;
    loads_[one.bin] += size;
    auto &from = bins_[full], &to = bins_[one.bin];
    if (one.takes) return std::swap(from[one.given], to[one.taken]);
    to.push_back(from[one.given]);
    from.erase(from.begin() + static_cast<std::ptrdiff_t>(one.given));
  }

  std::span<const int64_t> sizes_;
  Bins& bins_;
  std::vector<int64_t> loads_;
};

}  // namespace

std::vector<std::vector<size_t>> pack_bins(std::span<const int64_t> sizes, int64_t budget,
                                           size_t multiple_of) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto larger = [&](size_t a, size_t b) { return sizes[a] > sizes[b]; };
  std::stable_sort(order.begin(), order.end(), larger);
  Bins alone;
  size_t first = 0;
  for (; first < order.size() && sizes[order[first]] > budget; ++first)
    alone.push_back({order[first]});
  const std::span<const size_t> rest = std::span(order).subspan(first);
  if (rest.empty()) return alone;
  int64_t total = 0;
  for (size_t item : rest) total += sizes[item];
  const auto fewest = static_cast<size_t>(std::max<int64_t>(1, (total + budget - 1) / budget));
  Bins bins = first_fit(sizes, rest, budget);
  for (size_t count = fewest; count <= bins.size(); ++count)
    if (auto level = least_filled(sizes, rest, count, budget)) {
      bins = std::move(*level);
      break;
    }
  const size_t all = alone.size() + bins.size(), odd = all % multiple_of;
  if (odd > 0) {
    const size_t count = std::min(bins.size() + multiple_of - odd, rest.size());
    if (auto level = least_filled(sizes, rest, count, budget)) bins = std::move(*level);
  }
  if (rest.size() <= kLevelledSizes) Leveller(sizes, bins).run();
  for (auto& bin : bins) std::stable_sort(bin.begin(), bin.end(), larger);
  alone.insert(alone.end(), bins.begin(), bins.end());
  return alone;
}

}  // namespace slmtune::data
