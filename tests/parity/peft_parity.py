"""Adapters against PEFT: theirs in our program, ours in PEFT and by vLLM's rules, gradients, and merged weights."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from side_by_side import Report, random_rows, reference, run_tool
from tiny_models import FAMILIES, VOCABULARY, make

TOKENIZER = pathlib.Path(os.environ["SLMTUNE_SOURCE"]) / "configs" / "models" / "tiny"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]


def attention_of(family):
    return FUSED[:2] if family == "phi3" else ALL[:4]


def peft_cases(family):
    """For every family all linears and attention; the rarer fields where the names are the usual ones."""
    yield "lora on all linears", dict(r=4, lora_alpha=8, target_modules="all-linear")
    yield "rslora on attention", dict(r=6, lora_alpha=3, use_rslora=True,
                                      target_modules=attention_of(family))
    yield "dora on all linears", dict(r=4, lora_alpha=8, use_dora=True, target_modules="all-linear")
    if family == "phi3":
        yield "lora on one fused matrix", dict(r=3, lora_alpha=5, target_modules=["gate_up_proj"],
                                               rank_pattern={"layers.0.mlp.gate_up_proj": 5})
    if family == "llama":
        yield "lora by expression", dict(r=3, lora_alpha=5,
                                         target_modules=r".*layers\.1\..*(q_proj|down_proj)")
        yield "lora with patterns", dict(
            r=4, lora_alpha=8, target_modules=ALL, rank_pattern={"layers.1.self_attn.q_proj": 2},
            alpha_pattern={"up_proj": 3}, layers_to_transform=[1], exclude_modules=["gate_proj"])


def our_cases(family):
    yield "lora on all linears", dict(variant="lora", rank=4, alpha=8, targets=["all-linear"], seed=1)
    yield "rslora on attention", dict(variant="rslora", rank=5, alpha=4, targets=["attention"], seed=2)
    yield "dora on all linears", dict(variant="dora", rank=4, alpha=8, targets=["all-linear"], seed=5)
    yield "pissa on all linears", dict(variant="lora", rank=4, alpha=8, targets=["all-linear"], seed=6,
                                       init="pissa", noise=0.05)
    yield "lora with patterns", dict(
        variant="lora", rank=4, alpha=8, targets=["all-linear"], seed=8,
        rank_pattern={r"layers\.1\..*down_proj": 6}, alpha_pattern={"o_proj": 3})
    if family == "llama":
        yield "pissa as rslora", dict(variant="rslora", rank=3, alpha=5, targets=["all-linear"], seed=7,
                                      init="pissa", noise=0.05)
    if family == "phi3":
        yield "lora on the mlp", dict(variant="lora", rank=8, alpha=16, targets=["mlp"], seed=4)
    if family == "llama":
        yield "lora by expression", dict(
            variant="lora", rank=4, alpha=2.5, targets=[r"re:.*\.0\..*(k_proj|up_proj)"], seed=3)
        yield "lora by list", dict(
            variant="lora", rank=8, alpha=16, targets=["q_proj", "v_proj"], seed=4)


def base_model(folder):
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager")


def our_name(peft_name):
    name = peft_name.removeprefix("base_model.model.").replace(".default.", ".")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def theirs_in_ours(report, name, folder, settings, place, rows, labels):
    torch.manual_seed(5)
    model = get_peft_model(base_model(folder), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for parameter_name, tensor in model.named_parameters():
            if "lora_B" in parameter_name:
                tensor.normal_(0.0, 0.1)
    model.save_pretrained(place / "theirs")
    logits, loss = reference(model, rows, labels)
    loss.backward()
    ours = run_tool(place / "out.safetensors", model=str(folder), adapter=str(place / "theirs"),
                    rows=rows, labels=labels)
    report.logits(name, ours["logits"], logits.detach())
    report.relative(name + ": loss", ours["loss"], loss.detach())
    expected = {our_name(n): p.grad for n, p in model.named_parameters() if p.requires_grad}
    found = {n.removeprefix("grad."): t for n, t in ours.items() if n.startswith("grad.")}
    if expected.keys() != found.keys():
        report.check(f"{name}: names of gradients differ", 1.0, 0.0)
        return
    worst = max(expected, key=lambda n: ((found[n] - expected[n]).abs().max()
                                         / expected[n].abs().max()).item())
    report.relative(f"{name}: worst of {len(expected)} gradients", found[worst], expected[worst])


def start_of_pissa(report, family, folder, place, rows, labels):
    """The first step: PEFT takes the singular vectors out of the base, we do not; loss and gradients are the same.

    A singular vector's sign is free; theirs is turned so that the largest entry in B is positive, as ours is."""
    settings = dict(variant="lora", rank=4, alpha=8, targets=["all-linear"], seed=6, init="pissa")
    ours = run_tool(place / "out.safetensors", model=str(folder), attach=settings, rows=rows, labels=labels)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear",
                        init_lora_weights="pissa")
    model = get_peft_model(base_model(folder), config)
    logits, loss = reference(model, rows, labels)
    loss.backward()
    report.logits(f"{family}, PiSSA's start", ours["logits"], logits.detach())
    theirs, worst = {our_name(n): p for n, p in model.named_parameters() if p.requires_grad}, 0.0
    for name, b in theirs.items():
        if not name.endswith("lora_B.weight"):
            continue
        a_name = name.replace("lora_B", "lora_A")
        sign = torch.sign(b.gather(0, b.abs().argmax(0, keepdim=True)))
        for found, expected in ((ours["grad." + name], b.grad * sign),
                                (ours["grad." + a_name], theirs[a_name].grad * sign.T)):
            worst = max(worst, ((found - expected).abs().max() / expected.abs().max()).item())
    report.check(f"{family}, PiSSA's start: worst of {len(theirs)} gradients, relative", worst, 1e-4)


def read_as_vllm_does(folder):
    """{weight: s·B·A} by the rules of vLLM's loader (vllm/lora: peft_helper.py, lora_model.py), or why it refuses.

    One scale for all modules; every tensor must be a factor of a linear layer that 'target_modules' names."""
    config = json.loads((folder / "adapter_config.json").read_text())
    rank, alpha, targets = (config[key] for key in ("r", "lora_alpha", "target_modules"))
    if config["modules_to_save"] or config["use_dora"] or config["bias"] != "none":
        return "an unsupported feature"
    if config["rank_pattern"] or config["alpha_pattern"]:
        return "other ranks or alphas of single modules"
    assert isinstance(rank, int) and isinstance(alpha, (int, float)) and isinstance(targets, (list, str))
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    scale = alpha / (rank ** 0.5 if config["use_rslora"] else rank)
    factors = load_file(folder / "adapter_model.safetensors")
    changes = {}
    for name, b in factors.items():
        prefix, module, half, end = name[:17], name[17:].rsplit(".", 2)[0], *name.rsplit(".", 2)[1:]
        assert (prefix, end) == ("base_model.model.", "weight") and half in ("lora_A", "lora_B"), name
        assert isinstance(targets, str) or module.rsplit(".", 1)[1] in targets, name
        if half == "lora_B":
            a = factors[name.replace("lora_B", "lora_A")]
            assert a.shape[0] == b.shape[1] == rank, name
            changes[module + ".weight"] = scale * b @ a
    return changes


def served_as_by_vllm(report, name, folder, adapter, ours, rows, labels):
    changes = read_as_vllm_does(adapter)
    if isinstance(changes, str):
        expected = "dora" in name or "patterns" in name
        report.same(f"{name}: vLLM serves it merged only ({changes})", expected, True)
        return
    base = base_model(folder)
    weights = dict(base.named_parameters())
    for weight, change in changes.items():
        weights[weight].add_(change)
    report.logits(name + ", as vLLM reads it", reference(base, rows, labels)[0], ours)


def ours_in_theirs(report, name, folder, settings, place, rows, labels):
    for part in ("ours", "merged"):
        shutil.rmtree(place / part, ignore_errors=True)
    (place / "ours").mkdir()
    ours = run_tool(place / "out.safetensors", model=str(folder), attach=settings,
                    save_adapter=str(place / "ours"), merge=str(place / "merged"), shard_bytes=60000,
                    rows=rows, labels=labels)
    shards = list((place / "merged").glob("model-*-of-*.safetensors"))
    if len(shards) < 2 or not (place / "merged" / "generation_config.json").exists():
        report.check(f"{name}: the merged folder is not complete", 1.0, 0.0)
    with torch.no_grad():
        base = base_model(folder)
        base_logits = reference(base, rows, labels)[0]
        change = (ours["logits"] - base_logits).abs().max().item()
        if change < 0.1:  # an adapter that does nothing would pass every check below
            report.check(f"{name}: the adapter changes logits by {change:.2e} only", 1.0, 0.0)
        model = PeftModel.from_pretrained(base, place / "ours")
        logits, loss = reference(model, rows, labels)
        report.logits(name, ours["logits"], logits)
        report.relative(name + ": loss", ours["loss"], loss)
        merged = reference(base_model(place / "merged"), rows, labels)[0]
        report.logits(f"{name}, merged in {len(shards)} shards", merged, ours["logits"])
        served_as_by_vllm(report, name, folder, place / "ours", ours["logits"], rows, labels)


def merged_by_the_program(report, family, place, rows, labels):
    """`slmtune merge` with PEFT's adapter gives a folder that transformers loads, with PEFT's logits."""
    source, adapter, merged = place / "source", place / "adapter", place / "whole"
    for folder in (source, adapter, merged):
        shutil.rmtree(folder, ignore_errors=True)
    make(family, source, seed=22, vocab_size=2048)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TOKENIZER / name, source / name)
    torch.manual_seed(6)
    model = get_peft_model(base_model(source), LoraConfig(r=2, target_modules="all-linear"))
    with torch.no_grad():
        for parameter_name, tensor in model.named_parameters():
            if "lora_B" in parameter_name:
                tensor.normal_(0.0, 0.05)
        model.save_pretrained(adapter)
        subprocess.run([os.environ["SLMTUNE"], "merge", source, "--adapter", adapter, "--to", merged,
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
        expected = reference(model, rows, labels)[0]
        report.logits(f"{family}, slmtune merge", reference(base_model(merged), rows, labels)[0],
                      expected)


def main():
    torch.set_num_threads(2)
    report = Report()
    rows, labels = random_rows(VOCABULARY, lengths=(23, 60, 9))
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        for family in FAMILIES:
            folder = make(family, place / family, seed=21,
                          tie_word_embeddings=family in ("qwen2", "gemma2"))
            for name, settings in peft_cases(family):
                theirs_in_ours(report, f"{family}, PEFT's {name}", folder, settings, place, rows, labels)
            for name, settings in our_cases(family):
                ours_in_theirs(report, f"{family}, our {name}", folder, settings, place, rows, labels)
            if family in ("llama", "qwen2"):
                start_of_pissa(report, family, folder, place, rows, labels)
            merged_by_the_program(report, family, place, rows, labels)
    report.finish()


if __name__ == "__main__":
    main()
