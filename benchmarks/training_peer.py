#!/usr/bin/env python3
"""transformers, PEFT and trl for compare_training.py: makes the model, trains it, measures the machine's matrix rate.

    benchmarks/training_peer.py prepare|train|rate JOB.json

JOB.json is written by compare_training.py; results go to stdout as JSON lines. The loop of objective sft is the plain one
that trainers come down to, without their book-keeping: what it lacks would only make the peer slower. Objective dpo
is trl's own trainer.
"""
import contextlib
import json
import sys
import time
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()


def say(**values):
    print(json.dumps(values), flush=True)


def load(job):
    return transformers.AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"]))


def prepare(job):
    """Random weights in the shape of job["config"], if they are not there, and a fresh adapter."""
    folder = Path(job["model"])
    if not (folder / "model.safetensors").exists():
        torch.manual_seed(job["seed"])
        config = transformers.AutoConfig.for_model(**job["config"])
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.to(getattr(torch, job["dtype"])).save_pretrained(folder)
    torch.manual_seed(job["seed"])
    adapter = LoraConfig(r=job["rank"], lora_alpha=2 * job["rank"], target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(load(job), adapter).save_pretrained(job["adapter"])


def padded(rows):
    """As transformers' collators do it: every row as long as the longest."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(row, key, value):
        return row[key] + [value] * (longest - len(row[key]))
    return {
        "input_ids": torch.tensor([filled(row, "input_ids", 0) for row in rows]),
        "labels": torch.tensor([filled(row, "labels", -100) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"]))
                                        for row in rows])}


def said_step(step, loss, norm, rows, seconds):
    say(step=step, loss=loss, grad_norm=norm, tokens=sum(len(row["input_ids"]) for row in rows),
        label_tokens=sum(label != -100 for row in rows for label in row["labels"][1:]), seconds=seconds)


def train_sft(job, model, rows):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=job["learning_rate"], weight_decay=0.0, fused=True)
    computing = torch.autocast("cpu", torch.bfloat16) if job["autocast"] else contextlib.nullcontext()
    for step, batch in enumerate(job["order"], 1):
        chosen = [rows[i] for i in batch]
        started = time.perf_counter()
        with computing:
            loss = model(**padded(chosen)).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, job["clip_norm"])
        optimizer.step()
        optimizer.zero_grad()
        value = loss.item()
        said_step(step, value, norm.item(), chosen, time.perf_counter() - started)


def answer_of(row):
    return [i for i, label in zip(row["input_ids"], row["labels"]) if label != -100]


def train_dpo(job, model, rows):
    """Rows 2i and 2i + 1 are the better and the worse answer of pair i."""
    import logging as python_logging
    import tempfile

    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from trl import DPOConfig, DPOTrainer
    python_logging.disable(python_logging.WARNING)
    steps = []

    class Tokens(DPOTrainer):
        def _prepare_dataset(self, dataset, *rest):
            return dataset

        def compute_loss(self, *positional, **named):
            loss = super().compute_loss(*positional, **named)
            steps.append(loss.item())
            return loss

    class Clock(transformers.TrainerCallback):
        def on_step_begin(self, arguments, state, control, **named):
            self.started = time.perf_counter()

        def on_step_end(self, arguments, state, control, **named):
            seconds = time.perf_counter() - self.started
            batch = job["order"][state.global_step - 1]
            said_step(state.global_step, steps[-1], 0.0, [rows[2 * i + side] for i in batch for side in (0, 1)], seconds)

    pairs = [{"prompt_ids": [t for t, label in zip(rows[2 * i]["input_ids"], rows[2 * i]["labels"]) if label == -100],
              "chosen_ids": answer_of(rows[2 * i]), "rejected_ids": answer_of(rows[2 * i + 1])}
             for batch in job["order"] for i in batch]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0})),
                                                     pad_token="<pad>", eos_token="<pad>", bos_token="<pad>")
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(
            output_dir=folder, per_device_train_batch_size=len(job["order"][0]), gradient_accumulation_steps=1,
            max_steps=len(job["order"]), learning_rate=job["learning_rate"], lr_scheduler_type="constant", beta=0.1,
            weight_decay=0.0, max_grad_norm=job["clip_norm"], train_sampling_strategy="sequential", logging_steps=1000,
            save_strategy="no", report_to="none", use_cpu=True, bf16=job["autocast"], gradient_checkpointing=False,
            max_length=None, disable_tqdm=True, remove_unused_columns=False, dataloader_num_workers=0)
        Tokens(model=model, args=arguments, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer,
               callbacks=[Clock()]).train()


OBJECTIVES = {"sft": train_sft, "dpo": train_dpo}


def memory(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def train(job):
    torch.set_num_threads(job["threads"])
    rows = [json.loads(line) for line in Path(job["rows"]).read_text().splitlines()]
    before = memory("RssAnon")
    model = PeftModel.from_pretrained(load(job), job["adapter"], is_trainable=True).train()
    say(base_bytes=memory("RssAnon") - before)
    OBJECTIVES[job["objective"]](job, model, rows)
    say(peak_bytes=memory("VmHWM"))


def rate(job):
    """Operations per second of matrix products, the best of some shapes; median of several runs each."""
    torch.set_num_threads(job["threads"])
    for dtype in (torch.float32, torch.bfloat16):
        best = 0.0
        for m, k, n in ((2048, 2048, 2048), (512, 1024, 4096), (512, 4096, 1024)):
            a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
            torch.mm(a, b)
            times = []
            for _ in range(job["repeats"]):
                started = time.perf_counter()
                torch.mm(a, b)
                times.append(time.perf_counter() - started)
            best = max(best, 2 * m * k * n / sorted(times)[len(times) // 2])
        say(dtype=str(dtype).removeprefix("torch."), operations_per_second=best)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("prepare", "train", "rate"):
        sys.exit(__doc__)
    {"prepare": prepare, "train": train, "rate": rate}[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))


if __name__ == "__main__":
    main()
