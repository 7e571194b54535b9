"""Steps of run_dpo and run_kto in float64 against trl's DPOTrainer and KTOTrainer: the same base model, initial adapter,
order of rows and settings, with one stop and resume on our side. Of every step the loss, the rewards, the margin, the KL
term and the norm of the gradient must agree within 1e-5, and so must the adapter after the last step; of the first
step every single gradient. trl's loss code and its training loop run as they are; only its log-probabilities per token
are computed in float64 instead of float32."""

import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch  # noqa: E402
import transformers  # noqa: E402
import trl.trainer.utils  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer, models  # noqa: E402
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer  # noqa: E402

VOCABULARY = 64
STEPS = 6
SETTINGS = {
    "max_steps": STEPS,
    "batch_rows": 4,
    "micro_batch_tokens": 40,
    "learning_rate": 1e-2,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "loss_chunk": 5,
    "dtype": "float64",
    "stop_after_batches": 20,
}


class PlainLogProbabilities:
    """What trl's fused head gives, from whole logits in the model's own precision."""

    @staticmethod
    def apply(hidden, weight, bias, labels, temperature, chunk, soft_cap, scale, outputs):
        logits = hidden @ weight.t()
        log_p = torch.log_softmax(logits, -1)
        entropy = -(log_p.exp() * log_p).sum(-1).detach()
        chosen = log_p.gather(-1, labels[:, None])[:, 0]
        return chosen, entropy, None, logits.mean(-1).detach(), logits.argmax(-1) == labels


def make_model(folder):
    torch.manual_seed(11)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.2, bos_token_id=1, eos_token_id=2,
        tie_word_embeddings=True)
    base = transformers.LlamaForCausalLM(config)
    base.save_pretrained(folder / "model")
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.05)
    model.save_pretrained(folder / "adapter")
    return model.double()


def make_tokenizer():
    words = {f"t{i}": i for i in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="t0", eos_token="t2", bos_token="t1")


def ids(numbers, least, most):
    return [numbers.randrange(3, VOCABULARY) for _ in range(numbers.randint(least, most))]


def row(prompt, answer, mark):
    return {"ids": prompt + answer, "labels": [-100] * len(prompt) + answer, "mark": mark}


def run_ours(folder, objective, rows, settings):
    (folder / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    report = json.loads(subprocess.run(
        [os.environ["TRAIN_TOOL"], folder / "model", folder / "adapter", folder / "rows.jsonl", folder / "store",
         json.dumps({**SETTINGS, **settings, "objective": objective})],
        check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout)
    run = Path(report["run"])
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return report["order"], [line for line in lines if "loss" in line], run / "checkpoints"


def without_preparing(trainer):
    """The trainer class with rows that are tokens already."""
    return type(trainer.__name__, (trainer,), {"_prepare_dataset": lambda self, dataset, *rest: dataset})


def run_theirs(trainer, config, model, folder, batches, settings):
    """One step per batch; what each step logged, and the gradients of the first one."""
    arguments = config(
        output_dir=str(folder / "trl"), per_device_train_batch_size=len(batches[0]), gradient_accumulation_steps=1,
        max_steps=len(batches), learning_rate=SETTINGS["learning_rate"], lr_scheduler_type="constant",
        weight_decay=SETTINGS["weight_decay"], max_grad_norm=SETTINGS["clip_norm"], optim="adamw_torch",
        train_sampling_strategy="sequential", logging_steps=1, save_strategy="no", report_to="none", use_cpu=True, log_level="error",
        bf16=False, gradient_checkpointing=False, max_length=None, disable_tqdm=True, remove_unused_columns=False,
        dataloader_num_workers=0, **settings)
    steps, gradients = [], {}

    class Watched(without_preparing(trainer)):
        def compute_loss(self, *positional, **named):
            loss = super().compute_loss(*positional, **named)
            steps.append({"loss": loss.item()})
            return loss

        def log(self, logs, *rest, **named):
            if len(steps) and "loss" in logs:
                steps[-1].update({key: sum(values) / len(values) for key, values in self._metrics["train"].items()})
                steps[-1]["grad_norm"] = float(logs["grad_norm"])
            return super().log(logs, *rest, **named)

    class Gradients(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, arguments, state, control, **named):
            if not gradients:
                norm = torch.linalg.vector_norm(torch.stack(
                    [p.grad.norm() for p in model.parameters() if p.requires_grad and p.grad is not None]))
                gradients["clipped norm"] = norm
                gradients.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})

    dataset = Dataset.from_list([one for batch in batches for one in batch])
    Watched(model=model, args=arguments, train_dataset=dataset, processing_class=make_tokenizer(),
            callbacks=[Gradients()]).train()
    assert len(steps) == len(batches), len(steps)
    return steps, gradients


def check_numbers(ours, theirs, names):
    worst = 0.0
    for number, (mine, other) in enumerate(zip(ours, theirs), 1):
        for key, their_key in names.items():
            if number == 1 and key == "reward_accuracy":
                continue  # both rewards are 0 but for rounding
            if their_key not in other:
                assert key not in mine, f"step {number}: {key}"
                continue
            difference = abs(mine[key] - other[their_key]) / max(1.0, abs(other[their_key]))
            assert difference <= 1e-5, f"step {number}: {key} is {mine[key]}, trl has {other[their_key]}"
            worst = max(worst, difference)
    return worst


def largest(mine, theirs):
    """Relative to the tensor's length."""
    return ((mine - theirs).norm() / theirs.norm().clamp(min=1e-12)).item()


def check_tensors(mine, theirs, what):
    worst = 0.0
    compared = 0
    for name, tensor in theirs.items():
        if "lora_" not in name or ".ref." in name:
            continue
        short = name.removeprefix("base_model.model.").replace(".default", "")
        difference = largest(mine[short], tensor.detach().double())
        assert difference <= 1e-5, f"{what} of {short} differs by {difference:.1e}"
        worst = max(worst, difference)
        compared += 1
    assert compared == 2 * 7 * 2, compared
    return worst


def compare(objective, trainer, config, rows, batch_of, names, settings, theirs):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder)
        order, ours, checkpoints = run_ours(folder, objective, rows, settings)
        steps, gradients = run_theirs(trainer, config, model, folder, [batch_of(batch) for batch in order[:STEPS]], theirs)
        worst = check_numbers(ours, steps, {"loss": "loss", "grad_norm": "grad_norm", **names})
        final = load_file(checkpoints / f"step-{STEPS:06}" / "model.safetensors")
        weights = check_tensors(final, dict(model.named_parameters()), "weight")
        # AdamW's first moment after one step is a tenth of the (clipped) gradient.
        _, _, first = run_ours(folder, objective, rows, {**settings, "max_steps": 1, "stop_after_batches": 0})
        moments = load_file(first / "step-000001" / "optimizer.safetensors")
        mine = {name.removesuffix(".exp_avg"): 10 * moment for name, moment in moments.items() if name.endswith(".exp_avg")}
        single = check_tensors(mine, gradients, "gradient")
        print(f"{objective} {settings}: loss {ours[0]['loss']:.4f} -> {ours[-1]['loss']:.4f}; differences: numbers "
              f"{worst:.1e}, gradients {single:.1e}, weights {weights:.1e}")
        assert objective == "dpo" or max(line["kl"] for line in ours) > 0.1, "the KL term was never seen"
        assert min(line["loss"] for line in ours) < 0.9 * ours[0]["loss"], "nothing was learnt"


def compare_dpo(**settings):
    numbers = random.Random(5)
    pairs = [(ids(numbers, 2, 8), ids(numbers, 1, 12), ids(numbers, 1, 12)) for _ in range(12)]
    rows = [row(prompt, answer, mark) for prompt, chosen, rejected in pairs
            for answer, mark in [(chosen, "chosen"), (rejected, "rejected")]]
    batch_of = lambda batch: [dict(zip(["prompt_ids", "chosen_ids", "rejected_ids"], pairs[i])) for i in batch]  # noqa: E731
    names = {"reward_chosen": "rewards/chosen", "reward_rejected": "rewards/rejected",
             "reward_margin": "rewards/margins", "reward_accuracy": "rewards/accuracies"}
    # With one pair per batch trl's 'aot' is the sigmoid loss with label smoothing.
    loss = {"loss_type": ["aot"]} if settings.get("label_smoothing") else {}
    compare("dpo", DPOTrainer, DPOConfig, rows, batch_of, names, settings,
            {**loss, "beta": settings["beta"], "label_smoothing": settings.get("label_smoothing", 0.0)})


def compare_kto(votes, **settings):
    numbers = random.Random(6)
    answers = [(ids(numbers, 2, 8), ids(numbers, 1, 12)) for _ in range(12)]
    rows = [row(prompt, answer, "good" if vote else "bad") for (prompt, answer), vote in zip(answers, votes)]

    def batch_of(batch):
        return [{"prompt_ids": answers[i][0], "completion_ids": answers[i][1], "label": bool(votes[i]),
                 "KL_completion_ids": answers[i - 1][1]} for i in batch]

    names = {"reward_chosen": "rewards/chosen", "reward_rejected": "rewards/rejected",
             "reward_margin": "rewards/margins", "kl": "kl"}
    compare("kto", KTOTrainer, KTOConfig, rows, batch_of, names, settings,
            {key: settings[key] for key in ["beta", "desirable_weight", "undesirable_weight"]})


def main():
    torch.set_num_threads(1)
    trl.trainer.utils._ChunkedLogProbFunction = PlainLogProbabilities
    compare_dpo(beta=0.3)
    compare_dpo(beta=0.8, label_smoothing=0.2, batch_rows=1)
    compare_kto([1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1], beta=0.3, desirable_weight=1.0, undesirable_weight=1.6)
    compare_kto([1] * 12, beta=0.5, desirable_weight=0.7, undesirable_weight=1.0)


if __name__ == "__main__":
    sys.exit(main())
