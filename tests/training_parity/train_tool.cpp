// Trains a LoRA on rows that are already tokens, for comparison with transformers, peft and trl:
//
//   train_tool MODEL ADAPTER ROWS.jsonl STORE '{"batch_rows": 4, "max_steps": 50, ...}'
//
// With "stop_after_batches" the run is stopped there once and goes on from its checkpoint. ROWS
// holds {"ids": [...], "labels": [...]} per line, for "objective" dpo and kto with "mark"; ADAPTER is the PEFT folder to start from. Writes
// one JSON object to stdout: the run folder, the rows of each step in the order they were trained
// on, and the seeds of its micro-batches when each holds one row.
#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/seed.h"
#include "data/packer.h"
#include "kernels/device.h"
#include "lora/peft_files.h"
#include "models/causal_lm.h"
#include "train/dpo.h"
#include "train/kto.h"
#include "train/sft.h"

namespace {

using namespace slmtune;

data::RowMark mark_of(const std::string& word) {
  return word == "chosen"     ? data::RowMark::kChosen
         : word == "rejected" ? data::RowMark::kRejected
         : word == "good"     ? data::RowMark::kGood
         : word == "bad"      ? data::RowMark::kBad
                              : data::RowMark::kNone;
}

data::Dataset read_rows(const std::string& path) {
  data::Dataset dataset;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    Json json = Json::parse(line);
    dataset.rows.push_back({json.at("ids").get<std::vector<int32_t>>(),
                            json.at("labels").get<std::vector<int32_t>>(),
                            mark_of(json.value("mark", ""))});
  }
  return dataset;
}

train::TrainConfig config_from(const Json& json) {
  train::TrainConfig config;
  config.epochs = 1000;
  config.max_steps = json.at("max_steps").get<int64_t>();
  config.batch_rows = json.at("batch_rows").get<int64_t>();
  config.micro_batch_tokens = json.at("micro_batch_tokens").get<int64_t>();
  config.learning_rate = json.at("learning_rate").get<double>();
  config.schedule = json.at("schedule").get<std::string>();
  config.warmup = json.at("warmup").get<double>();
  config.weight_decay = json.at("weight_decay").get<double>();
  config.clip_norm = json.at("clip_norm").get<double>();
  config.loss_chunk = json.at("loss_chunk").get<int64_t>();
  config.neftune_alpha = json.value("neftune_alpha", 0.0);
  config.beta = json.value("beta", config.beta);
  config.label_smoothing = json.value("label_smoothing", 0.0);
  config.desirable_weight = json.value("desirable_weight", 1.0);
  config.undesirable_weight = json.value("undesirable_weight", 1.0);
  return config;
}

Json order_of(const train::TrainConfig& config, size_t rows, int64_t steps) {
  Json order = Json::array();
  for (int64_t epoch = 0; static_cast<int64_t>(order.size()) < steps; ++epoch) {
    std::vector<uint64_t> permutation = data::epoch_order(rows, config.seed, epoch);
    auto batch = static_cast<size_t>(config.batch_rows);
    for (size_t first = 0; first < rows; first += batch) {
      size_t last = std::min(rows, first + batch);
      order.push_back(std::vector<uint64_t>(permutation.begin() + static_cast<ptrdiff_t>(first),
                                            permutation.begin() + static_cast<ptrdiff_t>(last)));
    }
  }
  return order;
}

// As train/loop.cpp draws them: a step's seed for its first micro-batch, one derived from it for each
// further one.
Json seeds_of(const train::TrainConfig& config, int64_t steps) {
  Json seeds = Json::array();
  for (int64_t step = 0; step < steps; ++step) {
    const uint64_t of_step = derive_seed(config.seed, "dropout") + static_cast<uint64_t>(step);
    Json row = {of_step};
    for (int64_t number = 1; number < config.batch_rows; ++number)
      row.push_back(derive_seed(of_step, std::to_string(number)));
    seeds.push_back(row);
  }
  return seeds;
}

std::unique_ptr<models::CausalLM> load(char** arguments, const Json& settings) {
  models::LoadOptions options;
  if (settings.value("dtype", "") == "float64") options.dtype = at::kDouble;
  auto model = models::load_model(arguments[1], options);
  lora::load_peft(*model, arguments[2]);
  return model;
}

train::TrainResult run_objective(const train::TrainJob& job, const Json& settings) {
  const std::string objective = settings.value("objective", "sft");
  if (objective == "dpo") return train::run_dpo(job);
  return objective == "kto" ? train::run_kto(job) : train::run_sft(job);
}

void train_and_report(char** arguments) {
  kernels::prepare_process();
  const Json settings = Json::parse(arguments[5]);
  auto model = load(arguments, settings);
  data::Dataset rows = read_rows(arguments[3]), valid;
  for (size_t row = 0; row < 8; ++row) valid.rows.push_back(rows.rows[row].tokens());
  train::RunFolder run = train::RunFolder::create(arguments[4], "name: parity\n");
  train::TrainJob job;
  job.model = model.get();
  job.train = &rows;
  job.valid = &valid;
  job.config = config_from(settings);
  job.pack = settings.value("pack", true);
  job.run = &run;
  int64_t asked = 0;
  job.should_stop = [&] { return ++asked == settings.at("stop_after_batches").get<int64_t>(); };
  train::TrainResult result = run_objective(job, settings);
  if (result.ended == "stopped") {
    // A killed run logs steps that its last checkpoint does not have; they must vanish.
    int64_t lost = result.state.step + 1;
    run.log(lost, {{"step", lost}, {"loss", 99.0}});
    model = load(arguments, settings);
    job.model = model.get();
    job.resume_from = train::latest_checkpoint(run.path());
    result = run_objective(job, settings);
  }
  Json report = {{"run", run.path().string()},
                 {"seeds", seeds_of(job.config, result.total_steps)},
                 {"order", order_of(job.config, static_cast<size_t>(train::row_count(rows)), result.total_steps)}};
  std::cout << report.dump() << "\n";
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "usage: train_tool MODEL ADAPTER ROWS.jsonl STORE SETTINGS\n";
    return 64;
  }
  try {
    train_and_report(arguments);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 70;
  }
}
