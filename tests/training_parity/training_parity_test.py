"""50 LoRA steps of run_sft against transformers + peft + torch.optim.AdamW: the same base model, initial adapter, order of
rows and settings, with one stop and resume on our side, and the same with NEFTune's noise from the same random numbers. Each step's loss and gradient norm must agree within 1e-5 relative; the
TensorBoard package must read the same numbers from the event files as log.jsonl holds."""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers.integrations.neftune import neftune_post_forward_hook
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STEPS = 50
VOCABULARY = 96
SETTINGS = {
    "max_steps": STEPS,
    "batch_rows": 4,
    "micro_batch_tokens": 48,
    "learning_rate": 4e-3,
    "schedule": "cosine",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "loss_chunk": 13,
    "stop_after_batches": 60,  # stopped there once, then continued
}
SHAPE = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    initializer_range=0.15,
    bos_token_id=1,
    eos_token_id=2,
)


def make_model(family):
    torch.manual_seed(11)
    if family == "llama":
        config = transformers.LlamaConfig(**SHAPE, tie_word_embeddings=False)
        model = transformers.LlamaForCausalLM(config)
    else:
        config = transformers.Qwen2Config(**SHAPE, tie_word_embeddings=True)
        model = transformers.Qwen2ForCausalLM(config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(".bias"):
                    parameter.normal_(0, 0.1)
    return model.float().train()


def make_rows(count):
    numbers = random.Random(5)
    rows = []
    for _ in range(count):
        # A few patterns to learn, so that the loss really moves.
        start, step = numbers.randrange(3, VOCABULARY), numbers.choice([1, 2, 5])
        length = numbers.randrange(4, 30)
        ids = [3 + (start + i * step) % (VOCABULARY - 3) for i in range(length)]
        masked = numbers.randrange(1, length - 1)
        rows.append({"ids": ids, "labels": [-100] * masked + ids[masked:]})
    return rows


def reference_steps(model, rows, order, settings, seeds):
    """One row at a time, the plainest form: no padding, no packing."""
    if "neftune_alpha" in settings:
        embedding = model.get_input_embeddings()
        embedding.neftune_noise_alpha = settings["neftune_alpha"]
        embedding.register_forward_hook(neftune_post_forward_hook)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=SETTINGS["learning_rate"], weight_decay=SETTINGS["weight_decay"]
    )
    scheduler = transformers.get_cosine_schedule_with_warmup(
        optimizer, int(SETTINGS["warmup"] * STEPS), STEPS
    )
    for step, batch in enumerate(order[:STEPS]):
        label_tokens = sum(sum(x != -100 for x in rows[i]["labels"][1:]) for i in batch)
        total = 0.0
        for seed, i in zip(seeds[step], batch):
            torch.manual_seed(seed)
            ids = torch.tensor([rows[i]["ids"]])
            labels = torch.tensor(rows[i]["labels"][1:])
            logits = model(input_ids=ids).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(
                logits, labels, ignore_index=-100, reduction="sum"
            )
            (loss / label_tokens).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, SETTINGS["clip_norm"])
        yield total / label_tokens, norm.item(), optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def relative(a, b):
    return abs(a - b) / max(abs(b), 1e-12)


def check_events(run, lines):
    events = EventAccumulator(str(run))
    events.Reload()
    for tag, key in [
        ("train/loss", "loss"),
        ("train/learning_rate", "learning_rate"),
        ("train/grad_norm", "grad_norm"),
        ("train/tokens_per_second", "tokens_per_second"),
        ("valid/loss", "valid_loss"),
    ]:
        expected = {line["step"]: line[key] for line in lines if key in line}
        found = {event.step: event.value for event in events.Scalars(tag)}
        assert found.keys() == expected.keys(), f"{tag}: steps {found.keys()} {expected.keys()}"
        for step, value in expected.items():
            assert relative(found[step], value) < 1e-6 or value == found[step], (tag, step)


def compare(family, folder, **changes):
    settings = {**SETTINGS, **changes}
    base = make_model(family)
    base.save_pretrained(folder / "model")
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.05)
    model.save_pretrained(folder / "adapter")
    rows = make_rows(60)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = json.loads(
        subprocess.run(
            [os.environ["TRAIN_TOOL"], folder / "model", folder / "adapter", folder / "rows.jsonl",
             folder / "store", json.dumps(settings)],
            check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
        ).stdout
    )
    run = Path(report["run"])
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == STEPS, len(steps)
    worst = {"loss": 0.0, "grad_norm": 0.0, "learning_rate": 0.0}
    theirs = reference_steps(model, rows, report["order"], settings, report["seeds"])
    for line, (loss, norm, rate) in zip(steps, theirs):
        for key, value in [("loss", loss), ("grad_norm", norm), ("learning_rate", rate)]:
            worst[key] = max(worst[key], relative(line[key], value))
    print(f"{family} {changes or ''}: loss {steps[0]['loss']:.4f} -> {steps[-1]['loss']:.4f}; largest relative "
          + ", ".join(f"{key} {value:.1e}" for key, value in worst.items()))
    assert steps[-1]["loss"] < 0.9 * steps[0]["loss"], "nothing was learnt"
    assert worst["loss"] <= 1e-5 and worst["grad_norm"] <= 1e-5 and worst["learning_rate"] <= 1e-9, worst
    check_events(run, lines)


def main():
    torch.set_num_threads(1)
    for family in ["llama", "qwen2"]:
        with tempfile.TemporaryDirectory() as folder:
            compare(family, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        compare("llama", Path(folder), neftune_alpha=0.5, pack=False, stop_after_batches=101)


if __name__ == "__main__":
    sys.exit(main())
