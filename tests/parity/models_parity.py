"""Logits, gradients and greedy texts of every family against transformers (see model_cases.py)."""
import pathlib
import tempfile

import torch
from transformers import AutoModelForCausalLM

from model_cases import CASES
from side_by_side import Report, random_rows, reference, run_tool
from tiny_models import VOCABULARY, make, write_as_transformers_4

NEW_TOKENS = 64
GRADIENTS_RELATIVE = 1e-3


def load(folder, dtype=torch.float32):
    # The eager path: others leave out the soft-caps of Gemma 2.
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")


def greedy(model, prompt):
    ids = torch.tensor([prompt])
    with torch.no_grad():  # the mask: padding ids inside a prompt are text here
        return model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False,
            eos_token_id=None, pad_token_id=0)[0, len(prompt):].tolist()


def compare(report, name, folder, rows, labels):
    ours = run_tool(folder / "out.safetensors", model=str(folder), rows=rows, labels=labels,
                    train_all=True, prompts=[rows[0], rows[1]], new_tokens=NEW_TOKENS)
    model = load(folder)
    logits, loss = reference(model, rows, labels)
    loss.backward()
    report.logits(name, ours["logits"], logits.detach())
    report.relative(name + ": loss", ours["loss"], loss.detach())
    theirs = {n: p.grad for n, p in model.named_parameters()}
    found = {n.removeprefix("grad."): t for n, t in ours.items() if n.startswith("grad.")}
    report.same(name + ": parameters", sorted(found), sorted(theirs))
    worst = max(theirs, key=lambda n: ((found[n] - theirs[n]).abs().max()
                                       / theirs[n].abs().max()).item())
    report.relative(f"{name}: worst gradient, {worst}", found[worst], theirs[worst],
                    GRADIENTS_RELATIVE)
    model = load(folder)  # dynamic rope remembers the longest text it saw
    for i in range(2):
        report.same(f"{name}: greedy text {i}", ours[f"text.{i}"].int().tolist(), greedy(model, rows[i]))


def main():
    torch.set_num_threads(2)
    report = Report()
    rows, labels = random_rows(VOCABULARY)
    with tempfile.TemporaryDirectory() as place:
        for family, cases in CASES.items():
            for number, (name, settings) in enumerate(cases.items()):
                settings = dict(settings)
                is_old = settings.pop("old", False)
                folder = make(family, pathlib.Path(place) / f"{family}{number}", number, **settings)
                if is_old:
                    write_as_transformers_4(folder)
                compare(report, f"{family}, {name}", folder, rows, labels)
            low_precision(report, family, pathlib.Path(place), rows, labels)
    report.finish()


def low_precision(report, family, place, rows, labels):
    """A bfloat16 model rounds in other places than transformers: both must be equally far from float32."""
    folder = make(family, place / (family + "-low"), 12, dtype="bfloat16")
    ours = run_tool(place / "out.safetensors", model=str(folder), rows=rows, labels=labels,
                    dtype="bfloat16")["logits"]
    logits = {}
    with torch.no_grad():
        for dtype in (torch.float32, torch.bfloat16):
            logits[dtype] = reference(load(folder, dtype), rows, labels)[0].float()
    theirs = (logits[torch.bfloat16] - logits[torch.float32]).abs().mean().item()
    error = (ours - logits[torch.float32]).abs().mean().item()
    report.check(f"{family} in bfloat16: mean error over that of transformers", error / theirs, 1.3)


if __name__ == "__main__":
    main()
