#include "train/train_config.h"

#include "train/schedule.h"

namespace slmtune::train {
namespace {

constexpr double kMinutesOfYear = 366.0 * 24 * 60;
constexpr double kLongest = 1'048'576;  // tokens

// A warm-up that is as long as the run never reaches the learning rate.
void check_warmup(TrainConfig& config, YamlReader& yaml) {
  if (!config.max_steps || !yaml.has("warmup") || config.warmup == 0) return;
  if (warmup_steps(config.warmup, *config.max_steps) < *config.max_steps) return;
  yaml.conflict("warmup", yaml.where("max_steps"),
                "'train.warmup' takes all " + std::to_string(*config.max_steps) +
                    " steps of 'train.max_steps'",
                "lower the warm-up, so that a step is left at the full learning rate");
}

std::vector<Field<TrainConfig>> length_fields() {
  using T = TrainConfig;
  return {
      field(&T::epochs, {.key = "epochs",
                         .meaning = "how often the rows are gone through; fractions are allowed",
                         .unit = "epochs",
                         .range = above_to(0, 1000)}),
      field(&T::max_steps, {.key = "max_steps",
                            .meaning = "ends the run earlier, after so many optimiser steps",
                            .unit = "steps",
                            .range = from_to(1, 1'000'000'000),
                            .example = "500"}),
      field(&T::micro_batch_tokens,
            {.key = "micro_batch_tokens",
             .meaning = "tokens that go through the model at once: more takes more memory; auto = "
                        "the longest row, at least 1024, less where that does not fit; on a GPU "
                        "what is fastest of all that fits, up to 16384",
             .unit = "tokens",
             .range = from_to(16, kLongest),
             .words = {"auto"},
             .example = "4096"}),
      field(&T::batch_rows, {.key = "batch_rows",
                             .meaning = "rows of one optimiser step, over all its micro-batches",
                             .unit = "rows",
                             .range = from_to(1, 65'536)}),
  };
}

std::vector<Field<TrainConfig>> optimiser_fields() {
  using T = TrainConfig;
  return {
      field(&T::learning_rate, {.key = "learning_rate",
                                .meaning = "size of a step at its highest; full training takes "
                                           "less than LoRA; with objective dpo or kto the "
                                           "default is 5e-06",
                                .range = above_to(0, 1)}),
      field(&T::schedule, {.key = "schedule",
                           .meaning = "how the learning rate falls after the warm-up",
                           .words = {"constant", "linear", "cosine"}}),
      field(&T::warmup, {.key = "warmup",
                         .meaning = "share of all steps in which the learning rate rises from 0",
                         .unit = "share",
                         .range = from_below(0, 1)}),
      field(&T::optimizer, {.key = "optimizer",
                            .meaning = "rule that turns gradients into steps; adamw8bit keeps its "
                                       "memory of them in 2 bytes per trained value instead of 8",
                            .words = {"adamw", "adamw8bit"}}),
      field(&T::weight_decay, {.key = "weight_decay",
                               .meaning = "pull of the trained weights towards 0",
                               .range = from_to(0, 10)}),
      field(&T::beta1, {.key = "beta1",
                        .meaning = "memory of AdamW for the gradient",
                        .range = from_below(0, 1)}),
      field(&T::beta2, {.key = "beta2",
                        .meaning = "memory of AdamW for the gradient's square",
                        .range = from_below(0, 1)}),
      field(
          &T::epsilon,
          {.key = "epsilon", .meaning = "keeps AdamW from dividing by 0", .range = above_to(0, 1)}),
      field(&T::clip_norm, {.key = "clip_norm",
                            .meaning = "longest gradient of a step; longer ones are shortened to "
                                       "it, 0 switches this off",
                            .range = from_to(0, 1e9)}),
  };
}

// A number of layers, or a word for some number.
Field<TrainConfig> layers_field(std::optional<int64_t> TrainConfig::*member, FieldFacts facts) {
  facts.unit = "layers";
  facts.range = from_to(0, 1000);
  facts.words = {"auto", "none", "all"};
  facts.example = "8";
  const std::string key = facts.key;
  Field<TrainConfig> layers = field(member, std::move(facts));
  auto read = layers.read;
  layers.read = [read, key, member](YamlReader& yaml, TrainConfig& config) {
    read(yaml, config);
    if (yaml.is_text(key, "none")) config.*member = 0;
    if (yaml.is_text(key, "all")) config.*member = kAllLayers;
  };
  layers.text = [member](const TrainConfig& config) {
    const std::optional<int64_t>& value = config.*member;
    if (!value) return std::string("auto");
    if (*value == 0) return std::string("none");
    return *value == kAllLayers ? "all" : std::to_string(*value);
  };
  return layers;
}

std::vector<Field<TrainConfig>> recompute_fields() {
  using T = TrainConfig;
  return {
      layers_field(&T::recompute,
                   {.key = "recompute",
                    .meaning = "layers that compute their activations twice instead of keeping "
                               "them, which saves memory and costs time; auto = as few as fit"}),
      layers_field(&T::recompute_whole,
                   {.key = "recompute_whole",
                    .meaning = "of these, layers that keep nothing but their input and compute "
                               "attention twice, too; auto = none unless the others do not fit"}),
      field(&T::offload,
            {.key = "offload",
             .meaning = "where the inputs of layers with recompute_whole wait: inputs = in the "
                        "computer's memory, for long texts; auto = there only where nothing else "
                        "fits on the GPU",
             .words = {"auto", "none", "inputs"}}),
      field(&T::matmul,
            {.key = "matmul",
             .meaning = "numbers that frozen weights are multiplied in: bf16 = those of the model; "
                        "fp8 and int8 are faster on GPUs that have them and round more, so judge "
                        "the result by a task score",
             .words = {"bf16", "fp8", "int8"}}),
      field(&T::graphs,
            {.key = "graphs",
             .meaning = "steps of small models on a GPU are recorded once for each size and then "
                        "started as a whole, with micro-batches filled up by at most an eighth; "
                        "auto = up to 3e9 parameters, plain LoRA without dropout, objective sft",
             .words = {"auto", "none"}}),
  };
}

std::vector<Field<TrainConfig>> preference_fields() {
  using T = TrainConfig;
  return {
      field(&T::beta, {.key = "beta",
                       .meaning = "objective dpo and kto: how firmly the model is held to the one "
                                  "it starts from",
                       .range = above_to(0, 100)}),
      field(&T::label_smoothing,
            {.key = "label_smoothing",
             .meaning = "objective dpo: share of the pairs that may be the wrong way round",
             .unit = "share",
             .range = from_below(0, 0.5)}),
      field(&T::desirable_weight,
            {.key = "desirable_weight",
             .meaning = "objective kto: weight of an answer with a thumb up; for 4 times as many "
                        "up as down, 0.25 makes both sides count alike",
             .range = above_to(0, 1000)}),
      field(&T::undesirable_weight,
            {.key = "undesirable_weight",
             .meaning = "objective kto: weight of an answer with a thumb down",
             .range = above_to(0, 1000)}),
  };
}

std::vector<Field<TrainConfig>> run_fields() {
  using T = TrainConfig;
  return {
      field(&T::neftune_alpha, {.key = "neftune_alpha",
                                .meaning = "noise on the embeddings while training (NEFTune), 5 to "
                                           "15 where it is used; 0 switches it off",
                                .range = from_to(0, 1000)}),
      field(&T::seed, {.key = "seed",
                       .meaning = "start of all random numbers; the same seed gives the same run",
                       .range = {.low = 0}}),
      field(&T::save_minutes, {.key = "save_minutes",
                               .meaning = "time between two checkpoints",
                               .unit = "minutes",
                               .range = above_to(0, kMinutesOfYear)}),
      field(&T::max_minutes,
            {.key = "max_minutes",
             .meaning = "ends the run earlier, after this training time; the parts "
                        "of a resumed run are added up",
             .unit = "minutes",
             .range = above_to(0, kMinutesOfYear),
             .example = "120"}),
      field(&T::loss_chunk, {.key = "loss_chunk",
                             .meaning = "rows of logits that are in memory at once",
                             .unit = "tokens",
                             .range = from_to(1, kLongest)}),
  };
}

std::vector<Field<TrainConfig>> joined(std::vector<std::vector<Field<TrainConfig>>> parts) {
  std::vector<Field<TrainConfig>> all;
  for (std::vector<Field<TrainConfig>>& part : parts)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

const FieldTable<TrainConfig>& TrainConfig::fields() {
  static const FieldTable<TrainConfig> table(
      joined({length_fields(), optimiser_fields(), preference_fields(), recompute_fields(),
              run_fields()}),
      check_warmup);
  return table;
}

const FieldTable<EvalConfig>& EvalConfig::fields() {
  using T = EvalConfig;
  static const FieldTable<EvalConfig> table({
      field(&T::every, {.key = "every",
                        .meaning = "how often the validation rows are measured; 0 = only at the "
                                   "end",
                        .unit = "epochs",
                        .range = from_to(0, 1000)}),
      field(&T::metrics, {.key = "metrics",
                          .meaning = "what is measured at the end: loss, share of answers that are "
                                     "exactly right, overlap of words",
                          .words = {"loss", "exact_match", "f1"},
                          .example = "[loss, exact_match]"}),
      later_field<T>("prompts", "questions of your own that are answered after training"),
  });
  return table;
}

const FieldTable<BudgetConfig>& BudgetConfig::fields() {
  using T = BudgetConfig;
  static const FieldTable<BudgetConfig> table({
      field(&T::memory_gib, {.key = "memory_gib",
                             .meaning = "memory that training may take, and that a GPU is filled "
                                        "up to; auto = nine tenths of what the device has free, of "
                                        "a GPU 95 %",
                             .unit = "GiB",
                             .range = above_to(0, 100'000),
                             .words = {"auto"},
                             .example = "12"}),
      field(&T::kwh_price, {.key = "kwh_price",
                            .meaning = "price of a kilowatt-hour, for the cost of a run",
                            .range = from_to(0, 1e6)}),
      field(&T::currency, {.key = "currency", .meaning = "of that price", .example = "EUR"}),
  });
  return table;
}

}  // namespace slmtune::train
