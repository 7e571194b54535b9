"""Logits and loss of both families against transformers, for each stored type, tied and untied."""
import pathlib
import tempfile

import torch
from transformers import AutoModelForCausalLM

from side_by_side import Report, random_rows, reference, run_tool
from tiny_models import VOCABULARY, make_llama, make_qwen2

CASES = {
    "llama": lambda f: make_llama(f, 1),
    "llama tied": lambda f: make_llama(f, 2, tied=True),
    "llama plain rope": lambda f: make_llama(f, 3, rope=None),
    "llama linear rope": lambda f: make_llama(f, 4, rope=dict(rope_type="linear", factor=4.0)),
    "llama biases, wide heads": lambda f: make_llama(
        f, 5, attention_bias=True, mlp_bias=True, head_dim=32, num_key_value_heads=1),
    "llama stored as bf16": lambda f: make_llama(f, 6, dtype="bfloat16"),
    "llama stored as f16": lambda f: make_llama(f, 7, dtype="float16"),
    "qwen2": lambda f: make_qwen2(f, 8),
    "qwen2 tied": lambda f: make_qwen2(f, 9, tied=True),
    "qwen2 stored as bf16": lambda f: make_qwen2(f, 10, tied=True, dtype="bfloat16"),
    "qwen2 stored as f16": lambda f: make_qwen2(f, 11, dtype="float16"),
}


def main():
    torch.set_num_threads(2)
    report = Report()
    rows, labels = random_rows(VOCABULARY)
    with tempfile.TemporaryDirectory() as place, torch.no_grad():
        for number, (name, make) in enumerate(CASES.items()):
            folder = make(pathlib.Path(place) / str(number))
            out = pathlib.Path(place) / "out.safetensors"
            ours = run_tool(out, model=str(folder), rows=rows, labels=labels)
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager")
            logits, loss = reference(model, rows, labels)
            report.logits(name, ours["logits"], logits)
            report.relative(name + ": loss", ours["loss"], loss)
        low_precision(report, pathlib.Path(place), rows, labels)
    report.finish()


def low_precision(report, place, rows, labels):
    """A bfloat16 model rounds in other places than transformers: both must be equally far from float32."""
    folder = make_llama(place / "low", 12, dtype="bfloat16")
    ours = run_tool(place / "out.safetensors", model=str(folder), rows=rows, labels=labels,
                    dtype="bfloat16")["logits"]
    logits = {}
    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        logits[dtype] = reference(model, rows, labels)[0].float()
    theirs = (logits[torch.bfloat16] - logits[torch.float32]).abs().mean().item()
    error = (ours - logits[torch.float32]).abs().mean().item()
    report.check("llama in bfloat16: mean error over that of transformers", error / theirs, 1.3)


if __name__ == "__main__":
    main()
