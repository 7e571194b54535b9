#!/usr/bin/env python3
"""transformers, PEFT, bitsandbytes, Unsloth and trl for training_bench.py: trains, and measures the machine's matrix rate.

    benchmarks/training_peer.py train|rate JOB.json

JOB.json is written by training_bench.py; results go to stdout as JSON lines. The loop of objective sft is the plain one
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
from peft import PeftModel
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()


def say(**values):
    print(json.dumps(values), flush=True)


def load_transformers(job):
    options = {"dtype": getattr(torch, job["dtype"])}
    if job["device"] == "cuda":
        options["device_map"] = {"": 0}
    if job["base"] == "nf4":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, job["dtype"]))
    model = transformers.AutoModelForCausalLM.from_pretrained(job["model"], **options)
    model = PeftModel.from_pretrained(model, job["adapter"], is_trainable=True)
    if job["device"] == "cuda":
        # What trainers set on a card; its layers are all computed twice.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def load_unsloth(job):
    """Unsloth's own loading and adapter, with the values of the common one."""
    import unsloth
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file
    longest = max(len(row["input_ids"]) for row in read_rows(job))
    model, _ = unsloth.FastLanguageModel.from_pretrained(
        model_name=job["model"], max_seq_length=longest, dtype=getattr(torch, job["dtype"]),
        load_in_4bit=job["base"] == "nf4")
    settings = json.loads((Path(job["adapter"]) / "adapter_config.json").read_text())
    model = unsloth.FastLanguageModel.get_peft_model(
        model, r=settings["r"], lora_alpha=settings["lora_alpha"], lora_dropout=0.0, bias="none",
        target_modules=settings["target_modules"], use_gradient_checkpointing="unsloth", random_state=job["seed"])
    set_peft_model_state_dict(model, load_file(Path(job["adapter"]) / "adapter_model.safetensors"))
    return model


def read_rows(job):
    return [json.loads(line) for line in Path(job["rows"]).read_text().splitlines()]


def padded(rows, device):
    """As transformers' collators do it: every row as long as the longest."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(row, key, value):
        return row[key] + [value] * (longest - len(row[key]))
    tensors = {
        "input_ids": torch.tensor([filled(row, "input_ids", 0) for row in rows]),
        "labels": torch.tensor([filled(row, "labels", -100) for row in rows])}
    if device == "cpu" or any(len(row["input_ids"]) < longest for row in rows):  # a mask costs the flash kernel on a GPU
        tensors["attention_mask"] = torch.tensor(
            [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows])
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def said_step(step, loss, norm, rows, seconds):
    say(step=step, loss=loss, grad_norm=norm, tokens=sum(len(row["input_ids"]) for row in rows),
        label_tokens=sum(label != -100 for row in rows for label in row["labels"][1:]), seconds=seconds)


def train_sft(job, model, rows):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=job["learning_rate"], weight_decay=0.0, fused=True)
    device = job["device"]
    computing = torch.autocast(device, torch.bfloat16) if job["autocast"] else contextlib.nullcontext()
    for step, batch in enumerate(job["order"], 1):
        chosen = [rows[i] for i in batch]
        started = time.perf_counter()
        with computing:
            loss = model(**padded(chosen, device)).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, job["clip_norm"])
        optimizer.step()
        optimizer.zero_grad()
        value = loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
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


def cap_card(job):
    """As if the card had less memory: the allocator gives no more than what the context leaves."""
    if job["device"] != "cuda" or not job["memory_gib"]:
        return
    free, total = torch.cuda.mem_get_info()
    allowed = job["memory_gib"] * (1 << 30) - (total - free)
    torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total))


def train(job):
    torch.set_num_threads(job["threads"])
    rows = read_rows(job)
    cap_card(job)
    before = memory("RssAnon")
    model = (load_unsloth if job["side"] == "unsloth" else load_transformers)(job).train()
    say(base_bytes=memory("RssAnon") - before)
    OBJECTIVES[job["objective"]](job, model, rows)
    allocator = torch.cuda.max_memory_allocated() if job["device"] == "cuda" else None
    say(peak_bytes=memory("VmHWM"), allocator_bytes=allocator)


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
    if len(sys.argv) != 3 or sys.argv[1] not in ("train", "rate"):
        sys.exit(__doc__)
    {"train": train, "rate": rate}[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))


if __name__ == "__main__":
    main()
