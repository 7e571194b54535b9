#include "train/memory_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "models/activation_bytes.h"
#include "train/graph_shape.h"
#include "train/logit_rows.h"

namespace slmtune::train {
namespace {

uint64_t bytes(double value) {
  return value <= 0 ? 0 : static_cast<uint64_t>(std::llround(value));
}

uint64_t bytes(int64_t count, int64_t each) {
  return static_cast<uint64_t>(count) * static_cast<uint64_t>(each);
}

// Of the largest micro-batch with what it is filled up by.
int64_t computed_tokens(const PlanSetting& setting) {
  const bool fills = setting.recorded && !setting.on_cpu && !setting.offload;
  return fills ? filled_up(batch_tokens(setting)) : batch_tokens(setting);
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

models::KeptBytes generic_bytes(const ModelSizes& sizes, const TrainedSizes& trained,
                                const PlanSetting& setting) {
  const int64_t ranks = ranks_per_layer(sizes, trained);
  const auto kept = [&](bool recompute) {
    return static_cast<double>(setting.value_bytes * generic_values(sizes, ranks, recompute));
  };
  const double sums = 4.0 * static_cast<double>(sizes.heads);  // of attention's weights, float32
  return {.all = kept(false) + sums + adapter_bytes(sizes, trained, setting),
          .halves = kept(true),
          .input = static_cast<double>(setting.value_bytes * sizes.hidden)};
}

models::KeptBytes kept_bytes(const ModelSizes& sizes, const TrainedSizes& trained,
                             const PlanSetting& setting) {
  if (!setting.fused()) return generic_bytes(sizes, trained, setting);
  return models::kept_bytes_per_token(sizes.config, {.element_bytes = setting.value_bytes,
                                                     .ranks = ranks_per_layer(sizes, trained)});
}

// What attention's backward pass allocates beside its projections, in values a token: on the CPU
// the gradients of what it mixes, of q, k and v, and of a block of them; flash attention the
// gradient of q in float32, 128 rows more for each row of text, and those of k and v for every
// head where heads share them.
double attention_work(const ModelSizes& sizes, const PlanSetting& setting) {
  const auto q = static_cast<double>(sizes.queries), k = static_cast<double>(sizes.keys);
  if (setting.on_cpu) return 3 * q + 2 * k;
  const auto tokens = static_cast<double>(std::max<int64_t>(1, batch_tokens(setting)));
  const double rows = setting.rows.mean > 0 ? std::max(1.0, tokens / setting.rows.mean) : 1.0;
  const double wide =
      4.0 / static_cast<double>(setting.value_bytes) * q * (1 + 128 * rows / tokens);
  return q + (q + 2 * k) + wide + (k < q ? 2 * q : 0);
}

// The most that a layer takes beside what is kept while its gradients are made, in values a token:
// the norm, the gradient of the output and two of x, and of the wider half the outputs of its input
// projections, unless they were kept, and what their gradients need.
double work_values(const ModelSizes& sizes, const PlanSetting& setting, bool again) {
  const auto [d, q, k, f] =
      std::array{static_cast<double>(sizes.hidden), static_cast<double>(sizes.queries),
                 static_cast<double>(sizes.keys), static_cast<double>(sizes.intermediate)};
  const double mlp = (again ? 2 * f : 0) + f;
  double attention = (again ? q + 2 * k : 0) + attention_work(sizes, setting);
  // By then the MLP of the layer has given back what it kept. (The CPU's heap keeps holes there:
  // its figures are as measured.)
  if (!setting.on_cpu) attention -= again ? d : 2 * f;
  return (sizes.norms_after ? 6 : 4) * d + std::max(attention, mlp);
}

// Bytes a token at the moment of the backward pass that takes the most. It goes from the last layer
// to the first, so forms come one after the other, and each begins with what the layers of its own
// form and those before still keep.
struct StepBytes {
  double kept = 0;  // by all layers, when the forward pass is done
  double work = 0;  // most that the backward pass takes beyond that
  double host = 0;  // of what is kept
};

StepBytes step_bytes(const ModelSizes& sizes, const TrainedSizes& trained,
                     const PlanSetting& setting) {
  const models::KeptBytes layer = kept_bytes(sizes, trained, setting);
  const RecomputedLayers again = recomputed_layers(sizes, setting);
  const auto value = static_cast<double>(setting.value_bytes);
  // Offloaded inputs have two buffers on the card: one in use, one on its way.
  const int64_t inputs_here = setting.offload ? std::min<int64_t>(again.whole, 2) : again.whole;
  const double inputs = static_cast<double>(inputs_here) * layer.input;
  const double halves = static_cast<double>(again.halves) * layer.halves;
  const double all = static_cast<double>(sizes.layers() - again.both()) * layer.all;
  StepBytes step{.kept = inputs + halves + all};
  if (setting.offload) step.host = static_cast<double>(again.whole) * layer.input;
  const auto take = [&](double alive, double work) {
    step.work = std::max(step.work, alive + work - step.kept);
  };
  // Halves that LibTorch records are recorded again, one at a time; the MLP is the wider one.
  const double recorded = setting.fused() ? 0.0 : 0.6 * layer.all;
  if (all > 0) take(step.kept, value * work_values(sizes, setting, false));
  if (again.halves > 0) take(inputs + halves, value * work_values(sizes, setting, true) + recorded);
  if (again.whole > 0) {
    const auto tokens = static_cast<double>(batch_tokens(setting));
    const auto tile = static_cast<double>(mlp_tile(setting));
    const double left_out = tile > 0 ? 1.0 - tile / tokens : 0.0;
    const double inner = 2.0 * value * static_cast<double>(sizes.intermediate);
    take(inputs,
         layer.all - layer.input - left_out * inner + value * work_values(sizes, setting, false));
  }
  return step;
}

uint64_t widest_written_out(const ModelSizes& sizes, const PlanSetting& setting) {
  if (setting.quant == "none") return 0;
  // Recomputing holds what was written out until the gradients are made: of a layer, or the input
  // projections of a half. On a GPU the fused path has the next matrix written meanwhile.
  const RecomputedLayers again = recomputed_layers(sizes, setting);
  int64_t held = 0;
  if (setting.fused() && again.whole > 0)
    held = sizes.linear_values() / sizes.layers();
  else if (setting.fused() && again.halves > 0)
    held = 2 * sizes.hidden * sizes.intermediate;
  const int64_t ahead = setting.on_cpu || !setting.fused() ? 0 : sizes.largest_linear();
  return bytes(std::max(held, sizes.largest_linear()) + ahead, setting.value_bytes);
}

// Embedding and head are not widened beside weights of fewer bits (models/load.cpp).
int64_t table_value_bytes(const PlanSetting& setting) {
  const bool stays_narrow = setting.on_cpu && setting.quant != "none";
  return stays_narrow ? std::min(setting.value_bytes, setting.table_bytes) : setting.value_bytes;
}

void add_weights(MemoryPlan& plan, const ModelSizes& sizes, const TrainedSizes& trained,
                 const PlanSetting& setting) {
  int64_t rows = 0;
  for (const LinearSize& linear : sizes.linears) rows += linear.out;
  plan.base = stored_bytes(setting.quant, setting.value_bytes, sizes.linear_values(), rows) +
              bytes(sizes.vectors, setting.value_bytes);
  plan.embeddings = bytes(sizes.embedding_values(), table_value_bytes(setting));
  // Adapters are float32 beside any base.
  const int64_t trained_bytes = setting.full ? setting.value_bytes : 4;
  plan.gradients = bytes(trained.values(), trained_bytes);
  plan.optimizer = moment_bytes(setting.optimizer, trained_bytes, trained);
  if (!setting.full) plan.adapter = bytes(trained.stored_values(), trained_bytes);
}

// What is free in the heap but in pieces too small, in parts of the work of a layer, without what a
// whole one keeps meanwhile: small blocks that stay settle between large ones that go. Measured with
// the models of docs/plan.md.
double holes(const ModelSizes& sizes, const PlanSetting& setting, const MemoryPlan& plan) {
  const bool is_quantised = setting.quant != "none";
  const RecomputedLayers again = recomputed_layers(sizes, setting);
  const auto layer_work = static_cast<double>(plan.layer_work);
  if (again.both() < sizes.layers()) return is_quantised ? 0.5 * layer_work : 0.0;
  const double work = again.halves > 0
                          ? layer_work
                          : static_cast<double>(batch_tokens(setting) * setting.value_bytes) *
                                work_values(sizes, setting, false);
  return (is_quantised ? 0.3 : 0.7) * work;
}

void add_step(MemoryPlan& plan, const ModelSizes& sizes, const TrainedSizes& trained,
              const PlanSetting& setting) {
  const auto tokens = static_cast<double>(computed_tokens(setting));
  const StepBytes step = step_bytes(sizes, trained, setting);
  plan.activations = bytes(tokens * step.kept);
  plan.host = bytes(tokens * step.host);
  plan.layer_work = bytes(tokens * step.work);
  const int64_t chunk =
      sizes.vocabulary * logit_rows(computed_tokens(setting), setting.loss_chunk, sizes.vocabulary,
                                    setting.value_bytes, setting.on_cpu);
  // The rows that have labels, and their gradient.
  plan.logits = bytes(chunk, setting.value_bytes) +
                bytes(2 * computed_tokens(setting) * sizes.hidden, setting.value_bytes);
  if (!setting.on_cpu) plan.logits -= std::min(plan.logits, plan.layer_work);
  if (setting.on_cpu) plan.holes = bytes(holes(sizes, setting, plan));
  plan.workspace = widest_written_out(sizes, setting);
  // Of embedding and head the gradient is made before it is added.
  if (setting.full)
    plan.workspace += 3 * bytes(sizes.vocabulary * sizes.hidden, setting.value_bytes);
}

}  // namespace

int64_t mlp_tile(const PlanSetting& setting) {
  constexpr int64_t kTile = 8192;
  return setting.whole > 0 && batch_tokens(setting) >= 2 * kTile ? kTile : 0;
}

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
  if (quant == "bf16") return bytes(values, 2);
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

RecomputedLayers recomputed_layers(const ModelSizes& sizes, const PlanSetting& setting) {
  const int64_t whole = std::min(setting.whole, sizes.layers());
  const int64_t either = std::min(std::max(setting.recompute, whole), sizes.layers());
  return {.whole = whole, .halves = either - whole};
}

MemoryPlan plan_memory(const ModelSizes& sizes, const TrainedSizes& trained,
                       const PlanSetting& setting) {
  MemoryPlan plan;
  add_weights(plan, sizes, trained, setting);
  add_step(plan, sizes, trained, setting);
  plan.program = setting.program;
  return plan;
}

}  // namespace slmtune::train
