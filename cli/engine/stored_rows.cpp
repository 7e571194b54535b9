#include "cli/engine/stored_rows.h"

#include "data/replay.h"
#include "data/token_cache.h"

namespace slmtune::cli {
namespace {

data::ReplayStore replay_of(const ModelInputs& inputs, const store::SnapshotStore& store) {
  const TextSide& text = inputs.text;
  return {store.path() / kReplayName, data::text_settings(text.tokenizer, text.chat),
          text.tokenizer.size(), store.published()};
}

data::TokenCache cache_of(const Recipe& recipe, const ModelInputs& inputs,
                          data::TokenCache::Use use) {
  const TextSide& text = inputs.text;
  return {recipe.store / kTokenCacheName,
          data::tokeniser_settings(text.tokenizer, text.chat, recipe.data.format),
          text.tokenizer.size(), use};
}

void add_replay(const Recipe& recipe, const ModelInputs& inputs, const store::SnapshotStore& store,
                TrainRows& rows) {
  if (recipe.data.replay.fraction > 0)
    data::add_replay(rows.train, rows.valid ? &*rows.valid : nullptr, replay_of(inputs, store),
                     rows.config, recipe.train.seed);
}

}  // namespace

TrainRows load_rows_to_look(const Recipe& recipe, const ModelInputs& inputs) {
  data::TokenCache cache = cache_of(recipe, inputs, data::TokenCache::Use::kRead);
  return load_rows(recipe, inputs, &cache);
}

TrainRows load_stored_rows(const Recipe& recipe, const ModelInputs& inputs,
                           const store::SnapshotStore& store) {
  data::TokenCache cache = cache_of(recipe, inputs, data::TokenCache::Use::kReadAndWrite);
  TrainRows rows = load_rows(recipe, inputs, &cache);
  cache.finish();
  add_replay(recipe, inputs, store, rows);
  return rows;
}

TrainRows load_rows_along(const Recipe& recipe, const ModelInputs& inputs) {
  TrainRows rows = load_rows_to_look(recipe, inputs);
  if (recipe.data.replay.fraction > 0)
    add_replay(recipe, inputs, store::SnapshotStore::open(recipe.store), rows);
  return rows;
}

void keep_trained_rows(const Recipe& recipe, const ModelInputs& inputs,
                       const store::SnapshotStore& store, const TrainRows& rows, int64_t number) {
  if (recipe.data.replay.fraction > 0)
    data::keep_rows(rows.train, replay_of(inputs, store), number);
}

}  // namespace slmtune::cli
