// Trains a LoRA with run_sft on rows that are already tokens, for comparison with transformers and
// peft:
//
//   train_tool MODEL ADAPTER ROWS.jsonl STORE '{"batch_rows": 4, "max_steps": 50, ...}'
//
// With "stop_after_batches" the run is stopped there once and goes on from its checkpoint. ROWS
// holds {"ids": [...], "labels": [...]} per line; ADAPTER is the PEFT folder to start from. Writes
// one JSON object to stdout: the run folder and the rows of each step in the order they were
// trained on.
#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "core/json.h"
#include "data/packer.h"
#include "kernels/device.h"
#include "lora/peft_files.h"
#include "models/causal_lm.h"
#include "train/sft.h"

namespace {

using namespace slmtune;

data::Dataset read_rows(const std::string& path) {
  data::Dataset dataset;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    Json json = Json::parse(line);
    dataset.rows.push_back({json.at("ids").get<std::vector<int32_t>>(),
                            json.at("labels").get<std::vector<int32_t>>()});
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

std::unique_ptr<models::CausalLM> load(char** arguments) {
  auto model = models::load_model(arguments[1], {});
  lora::load_peft(*model, arguments[2]);
  return model;
}

void train_and_report(char** arguments) {
  kernels::prepare_process();
  auto model = load(arguments);
  data::Dataset rows = read_rows(arguments[3]), valid;
  valid.rows.assign(rows.rows.begin(), rows.rows.begin() + 8);
  Json settings = Json::parse(arguments[5]);
  train::RunFolder run = train::RunFolder::create(arguments[4], "name: parity\n");
  train::TrainJob job;
  job.model = model.get();
  job.train = &rows;
  job.valid = &valid;
  job.config = config_from(settings);
  job.run = &run;
  int64_t asked = 0;
  job.should_stop = [&] { return ++asked == settings.at("stop_after_batches").get<int64_t>(); };
  train::TrainResult result = train::run_sft(job);
  if (result.ended == "stopped") {
    // A killed run logs steps that its last checkpoint does not have; they must vanish.
    int64_t lost = result.state.step + 1;
    run.log(lost, {{"step", lost}, {"loss", 99.0}});
    model = load(arguments);
    job.model = model.get();
    job.resume_from = train::latest_checkpoint(run.path());
    result = train::run_sft(job);
  }
  Json report = {{"run", run.path().string()},
                 {"order", order_of(job.config, rows.rows.size(), result.total_steps)}};
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
