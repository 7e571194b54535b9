#include "train/memory_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "models/activation_bytes.h"
#include "train/logit_rows.h"

namespace slmtune::train {
namespace {

uint64_t bytes(double value) {
  return value <= 0 ? 0 : static_cast<uint64_t>(std::llround(value));
}

uint64_t bytes(int64_t count, int64_t each) {
  return static_cast<uint64_t>(count) * static_cast<uint64_t>(each);
}

// Layers of a model of `layers` layers that are computed twice.
int64_t recomputed(const ModelSizes& sizes, const PlanSetting& setting) {
  return std::min(setting.recompute, sizes.layers());
}

int64_t ranks_per_layer(const ModelSizes& sizes, const TrainedSizes& trained) {
  return (trained.ranks + sizes.layers() - 1) / sizes.layers();
}

// LibTorch's own nodes: x, its norm, the projections before and after rotation, the gated product.
// Recomputing keeps x of each half only.
int64_t generic_values(const ModelSizes& sizes, int64_t ranks, bool recompute) {
  const auto [d, q, k, f] = std::array{sizes.hidden, sizes.queries, sizes.keys, sizes.intermediate};
  if (recompute) return 2 * d;
  return 4 * d + 2 * q + 2 * k + 3 * f + (sizes.norms_after ? 2 * d : 0) + ranks;
}

// What adapters of one layer keep beside them, float32: the thinned inputs with the mask, or their
// float32 copies; the outputs of the base and of the adapter whose lengths train.
double adapter_bytes(const ModelSizes& sizes, const TrainedSizes& trained,
                     const PlanSetting& setting) {
  double values = 0;
  if (setting.dropout)
    values += 2.0 * static_cast<double>(trained.inputs);
  else if (setting.value_bytes < 4)
    values += static_cast<double>(trained.inputs);
  if (setting.dora) values += (setting.dropout ? 3.0 : 2.0) * static_cast<double>(trained.outputs);
  return 4.0 * values / static_cast<double>(sizes.layers());
}

double generic_bytes(const ModelSizes& sizes, const TrainedSizes& trained,
                     const PlanSetting& setting, bool recompute) {
  const int64_t ranks = ranks_per_layer(sizes, trained);
  const double bytes =
      static_cast<double>(setting.value_bytes * generic_values(sizes, ranks, recompute));
  if (recompute) return bytes;
  const double sums = 4.0 * static_cast<double>(sizes.heads);  // of attention's weights, float32
  return bytes + sums + adapter_bytes(sizes, trained, setting);
}

// The widest half of a layer while its gradients are made: outputs of the input projections, the
// gradient of the mixed rows, the norm and two gradients of x. A layer that keeps its projections
// does not need them again.
double work_values(const ModelSizes& sizes, bool recompute) {
  const auto [d, q, k, f] = std::array{sizes.hidden, sizes.queries, sizes.keys, sizes.intermediate};
  const int64_t attention = (recompute ? q + 2 * k : 0) + 3 * q + 2 * k;
  const int64_t mlp = (recompute ? 2 * f : 0) + f;
  return static_cast<double>((sizes.norms_after ? 6 : 4) * d + std::max(attention, mlp));
}

uint64_t widest_written_out(const ModelSizes& sizes, const PlanSetting& setting) {
  if (setting.quant == "none") return 0;
  // Recomputing holds the written-out input projections of a half until their gradients are made.
  const int64_t inputs = 2 * sizes.hidden * sizes.intermediate;
  const bool holds = recomputed(sizes, setting) > 0 && setting.fused();
  return bytes(holds ? std::max(inputs, sizes.largest_linear()) : sizes.largest_linear(),
               setting.value_bytes);
}

void add_weights(MemoryPlan& plan, const ModelSizes& sizes, const TrainedSizes& trained,
                 const PlanSetting& setting) {
  int64_t rows = 0;
  for (const LinearSize& linear : sizes.linears) rows += linear.out;
  plan.base = stored_bytes(setting.quant, setting.value_bytes, sizes.linear_values(), rows) +
              bytes(sizes.vectors, setting.value_bytes);
  plan.embeddings = bytes(sizes.embedding_values(), setting.value_bytes);
  // Adapters are float32 beside any base.
  const int64_t trained_bytes = setting.full ? setting.value_bytes : 4;
  plan.gradients = bytes(trained.values(), trained_bytes);
  plan.optimizer = moment_bytes(setting.optimizer, trained_bytes, trained);
  if (!setting.full) plan.adapter = bytes(trained.values(), trained_bytes);
}

// What is free in the heap but in pieces too small, in parts of the work of a layer: small blocks
// that stay settle between large ones that go. Measured with the models of docs/plan.md.
double holes_share(const PlanSetting& setting, bool recomputes_all) {
  const bool is_quantised = setting.quant != "none";
  if (recomputes_all) return is_quantised ? 1.8 : 1.2;
  return is_quantised ? 0.5 : 0.0;
}

void add_step(MemoryPlan& plan, const ModelSizes& sizes, const TrainedSizes& trained,
              const PlanSetting& setting) {
  const auto tokens = static_cast<double>(batch_tokens(setting));
  const auto value = static_cast<double>(setting.value_bytes);
  plan.activations = bytes(tokens * kept_bytes_per_token(sizes, trained, setting));
  // The backward pass begins with the last layer, which recomputes only when all do; by the time
  // that the first ones recompute, the others have given their activations back.
  const bool again = recomputed(sizes, setting) == sizes.layers();
  plan.layer_work = bytes(tokens * value * work_values(sizes, again));
  // Halves that LibTorch records are recorded again, one at a time; the MLP is the wider one.
  if (again && !setting.fused())
    plan.layer_work += bytes(tokens * 0.6 * generic_bytes(sizes, trained, setting, false));
  if (setting.on_cpu)
    plan.holes = bytes(holes_share(setting, again) * static_cast<double>(plan.layer_work));
  const int64_t chunk =
      sizes.vocabulary * logit_rows(batch_tokens(setting), setting.loss_chunk, sizes.vocabulary,
                                    setting.value_bytes, setting.on_cpu);
  // The rows that have labels, and their gradient.
  plan.logits = bytes(chunk, setting.value_bytes) +
                bytes(2 * batch_tokens(setting) * sizes.hidden, setting.value_bytes);
  plan.workspace = widest_written_out(sizes, setting);
  // Of embedding and head the gradient is made before it is added.
  if (setting.full)
    plan.workspace += 3 * bytes(sizes.vocabulary * sizes.hidden, setting.value_bytes);
}

}  // namespace

int64_t batch_tokens(const PlanSetting& setting) {
  return std::max(setting.rows.longest, std::min(setting.micro_batch_tokens, setting.rows.step));
}

uint64_t MemoryPlan::total() const {
  uint64_t sum = 0;
  for (const auto& [name, part] : parts()) sum += part;
  return sum;
}

std::vector<std::pair<std::string, uint64_t>> MemoryPlan::parts() const {
  return {{"base", base},
          {"embeddings", embeddings},
          {"adapter", adapter},
          {"gradients", gradients},
          {"optimizer", optimizer},
          {"activations", activations},
          {"layer_work", layer_work},
          {"logits", logits},
          {"workspace", workspace},
          {"holes", holes},
          {"program", program}};
}

uint64_t stored_bytes(const std::string& quant, int64_t value_bytes, int64_t values, int64_t rows) {
  // 4 bits, a scale byte per 64 values, and a float32 per 256 scales.
  if (quant == "nf4") return bytes(static_cast<double>(values) * (0.5 + (1.0 + 4.0 / 256) / 64));
  if (quant == "int8") return bytes(values, 1) + bytes(rows, 4);
  return bytes(values, value_bytes);
}

uint64_t moment_bytes(const std::string& optimizer, int64_t value_bytes,
                      const TrainedSizes& trained) {
  if (optimizer != "adamw8bit") return bytes(trained.values(), 2 * value_bytes);
  constexpr int64_t kSmall = 4096, kBlock = 256;  // train/adamw8bit.h
  uint64_t sum = 0;
  for (const int64_t values : trained.tensors)
    sum += values < kSmall ? bytes(values, 8)
                           : bytes(values, 2) + bytes((values + kBlock - 1) / kBlock, 8);
  return sum;
}

double kept_bytes_per_token(const ModelSizes& sizes, const TrainedSizes& trained,
                            const PlanSetting& setting) {
  const int64_t again = recomputed(sizes, setting);
  if (setting.fused())
    return models::kept_bytes_per_token(
        sizes.config,
        {.element_bytes = setting.value_bytes, .ranks = ranks_per_layer(sizes, trained)}, again);
  return static_cast<double>(sizes.layers() - again) *
             generic_bytes(sizes, trained, setting, false) +
         static_cast<double>(again) * generic_bytes(sizes, trained, setting, true);
}

MemoryPlan plan_memory(const ModelSizes& sizes, const TrainedSizes& trained,
                       const PlanSetting& setting) {
  MemoryPlan plan;
  add_weights(plan, sizes, trained, setting);
  add_step(plan, sizes, trained, setting);
  plan.program = setting.program;
  return plan;
}

PlanSetting fit_to(uint64_t budget, const ModelSizes& sizes, const TrainedSizes& trained,
                   PlanSetting setting, const AutoChoice& choice) {
  const auto fits = [&] { return plan_memory(sizes, trained, setting).total() <= budget; };
  const int64_t least = std::min(choice.least_tokens, choice.most_tokens);
  setting.micro_batch_tokens = choice.micro_batch_tokens.value_or(choice.most_tokens);
  setting.recompute = std::min(choice.recompute.value_or(0), sizes.layers());
  // Halves of a micro-batch cost little as long as its matrices stay tall.
  constexpr int64_t kTallEnough = 1024;
  const auto halve = [&](int64_t floor) {
    while (!choice.micro_batch_tokens && !fits() && setting.micro_batch_tokens > floor)
      setting.micro_batch_tokens = std::max(floor, setting.micro_batch_tokens / 2);
  };
  halve(std::max(least, kTallEnough));
  while (!choice.recompute && !fits() && setting.recompute < sizes.layers()) ++setting.recompute;
  halve(least);
  return setting;
}

}  // namespace slmtune::train
