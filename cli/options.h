// What the command line says, one struct per command that computes: filled by x_cmd.cpp, carried
// out in engine/ (see engine.h).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "eval/sampling_options.h"

namespace slmtune::cli {

struct TrainOptions {
  std::string recipe;
  std::vector<std::string> settings;
  std::string resume = "auto";
  bool resume_as_new = false, dry_run = false, print_recipe = false;
  DeviceFlags device;
};

struct PlanOptions {
  std::string recipe;
  std::vector<std::string> settings, gpus;
};

struct EvalOptions {
  std::string what, adapter, data, metrics, chat_template;
  int64_t max_tokens = 128;
  DeviceFlags device;
};

struct GenerateOptions {
  std::string model, adapter, prompt, file, system, chat_template;
  bool raw = false, has_prompt = false;
  eval::SamplingOptions sampling{.greedy = false};
  DeviceFlags device;
};

struct ChatOptions {
  std::string model, adapter, system, chat_template;
  eval::SamplingOptions sampling{.greedy = false};
  DeviceFlags device;
};

struct MergeOptions {
  std::string model, adapter, to, dtype = "auto";
};

struct ExportOptions {
  std::string model, adapter, format = "gguf", encoding, imatrix, to;
  bool verify = true;
  std::string data;  // held-out rows
  int64_t prompts = 16;
  std::optional<double> max_perplexity_increase, min_greedy_agreement;
  DeviceFlags device;
};

struct InspectOptions {
  std::string path;
};

// `data preview` and `data tokenize`.
struct DataOptions {
  std::string what, model, chat_template, format = "auto";
  int64_t rows = 3;
  bool ids = false, no_ids = false;  // token ids below each row: where a tokenizer is known
};

}  // namespace slmtune::cli
