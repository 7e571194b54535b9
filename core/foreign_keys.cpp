#include <algorithm>
#include <iterator>

#include "core/internal/foreign_keys.h"

namespace slmtune {
namespace {

constexpr std::string_view kWholeStep =
    "it counts the rows of one whole optimiser step, accumulation included";
constexpr std::string_view kTokens = "a micro batch is measured in tokens";

constexpr std::string_view kSigmoid = "objective dpo has the sigmoid loss, kto its own";

constexpr ForeignKey kForeignKeys[] = {
    {"model_name_or_path", "model.path", ""},
    {"base_model", "model.path", ""},
    {"checkpoint_dir", "model.path", ""},
    {"quantization_bit", "model.quant", ""},
    {"quantization_type", "model.quant", ""},
    {"quantize", "model.quant", ""},
    {"load_in_4bit", "model.quant", "write model.quant: nf4"},
    {"load_in_8bit", "model.quant", "write model.quant: int8"},
    {"bnb_4bit_quant_type", "model.quant", ""},
    {"torch_dtype", "model.dtype", ""},
    {"bf16", "model.dtype", "write model.dtype: bfloat16"},
    {"fp16", "model.dtype", ""},
    {"precision", "model.dtype", ""},
    {"finetuning_type", "method", ""},
    {"fine_tune_type", "method", ""},
    {"training_type", "method", ""},
    {"use_peft", "method", "write method: lora"},
    {"adapter", "method", "write method: lora"},
    {"stage", "objective", ""},
    {"rl", "objective", ""},
    {"lora_r", "lora.rank", ""},
    {"lora_rank", "lora.rank", ""},
    {"r", "lora.rank", ""},
    {"lora_alpha", "lora.alpha", ""},
    {"lora_dropout", "lora.dropout", ""},
    {"lora_target", "lora.targets", ""},
    {"lora_target_modules", "lora.targets", ""},
    {"lora_target_linear", "lora.targets", "write lora.targets: all-linear"},
    {"lora_attn_modules", "lora.targets", ""},
    {"target_modules", "lora.targets", ""},
    {"use_rslora", "lora.variant", "write lora.variant: rslora"},
    {"use_dora", "lora.variant", "write lora.variant: dora"},
    {"peft_use_dora", "lora.variant", "write lora.variant: dora"},
    {"init_lora_weights", "lora.init", ""},
    {"peft_init_lora_weights", "lora.init", ""},
    {"pissa_init", "lora.init", "write lora.init: pissa"},
    {"loraplus_lr_ratio", "lora.plus_ratio", ""},
    {"dataset", "data.train", ""},
    {"datasets", "data.train", ""},
    {"dataset_name", "data.train", ""},
    {"train_file", "data.train", ""},
    {"local_dataset", "data.train", ""},
    {"eval_dataset", "data.valid", ""},
    {"test_datasets", "data.valid", ""},
    {"dataset_val", "data.valid", ""},
    {"val_size", "data.valid.fraction", ""},
    {"val_set_size", "data.valid.fraction", ""},
    {"val_split_fraction", "data.valid.fraction", ""},
    {"format_type", "data.format", ""},
    {"cutoff_len", "data.max_tokens", ""},
    {"sequence_len", "data.max_tokens", ""},
    {"max_seq_length", "data.max_tokens", ""},
    {"max_seq_len", "data.max_tokens", ""},
    {"max_length", "data.max_tokens", ""},
    {"packing", "data.pack", ""},
    {"packed", "data.pack", ""},
    {"neat_packing", "data.pack", ""},
    {"sample_packing", "data.pack", ""},
    {"per_device_train_batch_size", "train.batch_rows", kWholeStep},
    {"batch_size", "train.batch_rows", kWholeStep},
    {"global_batch_size", "train.batch_rows", ""},
    {"gradient_accumulation_steps", "train.batch_rows", kWholeStep},
    {"grad_accumulation_steps", "train.batch_rows", kWholeStep},
    {"micro_batch_size", "train.micro_batch_tokens", kTokens},
    {"learning_rate", "train.learning_rate", ""},
    {"lr", "train.learning_rate", ""},
    {"num_train_epochs", "train.epochs", ""},
    {"num_epochs", "train.epochs", ""},
    {"epochs", "train.epochs", ""},
    {"lr_scheduler_type", "train.schedule", ""},
    {"lr_scheduler", "train.schedule", ""},
    {"lr_schedule", "train.schedule", ""},
    {"warmup_ratio", "train.warmup", ""},
    {"warmup_steps", "train.warmup", "it is a fraction of all steps"},
    {"num_warmup_steps", "train.warmup", "it is a fraction of all steps"},
    {"lr_warmup_steps", "train.warmup", "it is a fraction of all steps"},
    {"lr_warmup_fraction", "train.warmup", ""},
    {"optim", "train.optimizer", ""},
    {"neftune_noise_alpha", "train.neftune_alpha", ""},
    {"pref_beta", "train.beta", ""},
    {"rl_beta", "train.beta", ""},
    {"dpo_beta", "train.beta", ""},
    {"kto_beta", "train.beta", ""},
    {"pref_loss", "objective", kSigmoid},
    {"loss_type", "objective", kSigmoid},
    {"dpo_label_smoothing", "train.label_smoothing", ""},
    {"kto_chosen_weight", "train.desirable_weight", ""},
    {"kto_desirable_weight", "train.desirable_weight", ""},
    {"kto_rejected_weight", "train.undesirable_weight", ""},
    {"kto_undesirable_weight", "train.undesirable_weight", ""},
    {"max_grad_norm", "train.clip_norm", ""},
    {"gradient_clipping", "train.clip_norm", ""},
    {"gradient_checkpointing", "train.recompute", ""},
    {"grad_checkpoint", "train.recompute", ""},
    {"enable_activation_checkpointing", "train.recompute", ""},
    {"save_steps", "train.save_minutes", "checkpoints are counted in minutes"},
    {"save_every", "train.save_minutes", "checkpoints are counted in minutes"},
    {"save_every_n_steps", "train.save_minutes", "checkpoints are counted in minutes"},
    {"save_interval", "train.save_minutes", "checkpoints are counted in minutes"},
    {"eval_steps", "eval.every", "it is a fraction of an epoch"},
    {"steps_per_eval", "eval.every", "it is a fraction of an epoch"},
    {"evals_per_epoch", "eval.every", "it is a fraction of an epoch"},
    {"output_dir", "store", ""},
    {"out_dir", "store", ""},
    {"adapter_path", "store", ""},
    {"run_name", "name", ""},
};

struct ForeignWord {
  std::string_view foreign, ours;
};

constexpr ForeignWord kForeignWords[] = {
    {"adamw_torch", "adamw"},
    {"adamw_torch_fused", "adamw"},
    {"adamw_hf", "adamw"},
    {"paged_adamw", "adamw"},
    {"paged_adamw_32bit", "adamw"},
    {"adamw_bnb_8bit", "adamw8bit"},
    {"paged_adamw_8bit", "adamw8bit"},
};

}  // namespace

const ForeignKey* find_foreign_key(std::string_view key) {
  auto found = std::find_if(std::begin(kForeignKeys), std::end(kForeignKeys),
                            [&](const ForeignKey& row) { return row.foreign == key; });
  return found == std::end(kForeignKeys) ? nullptr : &*found;
}

std::string_view find_foreign_word(std::string_view word) {
  for (const ForeignWord& row : kForeignWords)
    if (row.foreign == word) return row.ours;
  return {};
}

}  // namespace slmtune
