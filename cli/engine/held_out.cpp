#include "cli/engine/held_out.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "cli/engine/train_inputs.h"
#include "core/error.h"
#include "core/log.h"
#include "data/rated_rows.h"
#include "store/manifest.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostTokens = 512;

int64_t most_tokens(int64_t context) {
  return context > 0 ? std::min(kMostTokens, context) : kMostTokens;
}

// Where the answer to go on from begins: the last run of trained tokens, or the middle of a row
// that is one text.
int64_t prompt_of(const eval::AgreementRow& row) {
  const std::vector<bool>& trained = row.is_trained;
  size_t end = trained.size();
  while (end > 1 && !trained[end - 1]) --end;
  size_t start = end;
  while (start > 1 && trained[start - 1]) --start;
  if (start > 1) return static_cast<int64_t>(start);
  return std::max<int64_t>(1, static_cast<int64_t>(row.ids.size()) / 2);
}

eval::AgreementRow row_of(std::span<const int32_t> ids, std::vector<bool> is_trained,
                          int64_t most) {
  const size_t count = std::min(ids.size(), static_cast<size_t>(most));
  eval::AgreementRow row{{ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count)},
                         std::move(is_trained)};
  row.is_trained.resize(count);
  // Of a row whose answer was cut off, the question is measured.
  if (std::find(row.is_trained.begin() + 1, row.is_trained.end(), true) == row.is_trained.end())
    row.is_trained.assign(count, true);
  row.prompt = prompt_of(row);
  return row;
}

std::vector<size_t> chosen(const data::Rows& rows, int64_t most, int64_t count) {
  std::vector<size_t> whole, cut;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows.length(i) >= 2) (rows.length(i) <= most ? whole : cut).push_back(i);
  const auto spaced = [](const std::vector<size_t>& from, size_t wanted, std::vector<size_t>& to) {
    wanted = std::min(wanted, from.size());
    for (size_t i = 0; i < wanted; ++i) to.push_back(from[i * from.size() / wanted]);
  };
  std::vector<size_t> result;
  spaced(whole, static_cast<size_t>(count), result);
  spaced(cut, static_cast<size_t>(count) - result.size(), result);
  return result;
}

// nothing when the recipe has no validation rows.
std::optional<HeldOut> recipe_rows(const fs::path& recipe_path, const TextSide& text,
                                   int64_t context, int64_t count) {
  const Recipe recipe = read_recipe(recipe_path, {}, {}, /*without_model=*/true);
  data::DataConfig config = recipe.data;
  if (context > 0) config.max_tokens = std::min(config.max_tokens, context);
  if (config.valid) {
    const data::Source source{*config.valid, 1.0};
    return held_out_rows(read_rows({&source, 1}, config, text),
                         "the run's validation rows (" + config.valid->string() + ")", context,
                         count);
  }
  if (config.valid_fraction <= 0) return std::nullopt;
  data::Dataset train = read_rows(config.train, config, text);
  return held_out_rows(data::split_validation(train, config.valid_fraction, recipe.train.seed),
                       "the run's validation rows (data.valid.fraction)", context, count);
}

}  // namespace

HeldOut held_out_rows(const data::Dataset& rows, std::string from, int64_t context, int64_t count) {
  const data::RatedCounts rated = data::count_rated(rows.rows);
  const data::Dataset good =
      rated.pairs + rated.bad > 0 ? data::good_answers(rows) : data::Dataset{};
  const data::Rows& usable = rated.pairs + rated.bad > 0 ? good.rows : rows.rows;
  const int64_t most = most_tokens(context);
  HeldOut result{{}, std::move(from)};
  for (const size_t i : chosen(usable, most, count)) {
    const data::Row row = usable[i];
    std::vector<bool> is_trained(row.size());
    for (size_t at = 0; at < row.size(); ++at) is_trained[at] = row.is_trained(at);
    result.rows.push_back(row_of(row.ids(), std::move(is_trained), most));
  }
  return result;
}

HeldOut held_out_file(const fs::path& path, const TextSide& text, int64_t context, int64_t count) {
  data::DataConfig config;
  config.max_tokens = context > 0 ? context : std::numeric_limits<int64_t>::max();
  config.too_long = "truncate";
  const data::Source source{path, 1.0};
  return held_out_rows(read_rows({&source, 1}, config, text), path.string(), context, count);
}

HeldOut held_out_of_snapshot(const fs::path& snapshot, const TextSide& text, int64_t context,
                             int64_t count) {
  try {
    if (auto rows = recipe_rows(snapshot / store::kRecipeName, text, context, count);
        rows && !rows->rows.empty())
      return *rows;
  } catch (const Error& error) {
    log_info("verify: the run's validation rows cannot be read: " +
             error.diagnostics().front().what);
  }
  return held_out_text(text.tokenizer, context, count);
}

HeldOut held_out_text(const data::Tokenizer& tokenizer, int64_t context, int64_t count) {
  HeldOut result{{}, "the program's own text"};
  for (const std::string_view passage : held_out_passages()) {
    if (static_cast<int64_t>(result.rows.size()) >= count) break;
    const std::vector<int32_t> ids = data::plain_ids(passage, tokenizer);
    if (ids.size() < 2) continue;
    const std::vector<bool> is_trained(ids.size(), true);
    result.rows.push_back(row_of(ids, is_trained, most_tokens(context)));
  }
  return result;
}

}  // namespace slmtune::cli
