"""Folders that transformers and bitsandbytes saved in 4 bits: our logits and the gradients of an adapter against theirs.

bitsandbytes' inference path of some CPUs rounds the weights once more, so the reference model is in training mode."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "parity"))
try:
    import bitsandbytes
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

from side_by_side import Report, random_rows, reference, run_tool
from tiny_models import VOCABULARY, make

TOKENIZER = pathlib.Path(os.environ["SLMTUNE_SOURCE"]) / "configs" / "models" / "tiny"
TOKENS = 2048  # the tokenizer's
# bitsandbytes' CPU library misreads rows that are no whole number of blocks; its other back-ends do not.
WHOLE_BLOCKS = 128
# Its backward pass rounds the weights to the type they were quantised from; its forward pass does not, nor do we.
EXACT, ROUNDED = 1e-4, 2e-2
# Double quantisation, the type it was quantised from, the type its bytes are stored in.
CASES = {
    "nested": (True, torch.float32, torch.uint8),
    "plain scales, from bfloat16": (False, torch.bfloat16, torch.uint8),
    "nested, from float16, in bytes of bfloat16": (True, torch.float16, torch.bfloat16),
}


def quantise(source, folder, nested, dtype, storage):
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=nested,
                                bnb_4bit_compute_dtype=torch.float32, bnb_4bit_quant_storage=storage)
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=config, dtype=dtype, device_map="cpu")
    model.save_pretrained(folder)


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu",
                                                 attn_implementation="eager")
    for parameter in model.parameters():  # transformers leaves what is not quantised in the stored type
        if not isinstance(parameter, bitsandbytes.nn.Params4bit):
            parameter.data = parameter.data.float()
    return model.train()


def with_adapter(model, folder):
    torch.manual_seed(5)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_B" in name:
                tensor.normal_(0.0, 0.1)
    model.save_pretrained(folder)
    return model.train()


def compare(report, name, folder, place, rows, labels, bound):
    model = with_adapter(load(folder), place / "adapter")
    logits, loss = reference(model, rows, labels)
    loss.backward()
    ours = run_tool(place / "out.safetensors", model=str(folder), adapter=str(place / "adapter"), rows=rows,
                    labels=labels)
    report.logits(name, ours["logits"], logits.detach())
    report.relative(name + ": loss", ours["loss"], loss.detach())
    expected = {n.removeprefix("base_model.model.").replace(".default.", "."): p.grad
                for n, p in model.named_parameters() if "lora_" in n}
    found = {n.removeprefix("grad."): t for n, t in ours.items() if n.startswith("grad.")}
    report.same(name + ": adapter tensors", sorted(found), sorted(expected))
    worst = max(expected, key=lambda n: ((found[n] - expected[n]).abs().max() / expected[n].abs().max()).item())
    report.relative(f"{name}: worst of {len(expected)} gradients", found[worst], expected[worst], bound)
    return logits.detach()


def merged_by_the_program(report, name, folder, place, logits, rows, labels):
    """`slmtune merge` from such a base gives 16-bit weights, as near to the adapter's logits as their type allows."""
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TOKENIZER / file, folder / file)
    command = [os.environ["SLMTUNE"], "merge", folder, "--adapter", place / "adapter", "--to", place / "merged", "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    report.same(f"{name}: what merge reports of the base", json.loads(done.stdout)["base_quant"], "nf4")
    report.same(f"{name}: merge says so", "4 bits" in done.stderr, True)
    merged = AutoModelForCausalLM.from_pretrained(place / "merged", dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        report.logits(f"{name}, merged", reference(merged, rows, labels)[0], logits, 1e-3)


def train(place, folder, **settings):
    """Exit status, messages and store of a run of one step from such a base."""
    store = place / "store"
    (place / "rows.jsonl").write_text("".join(json.dumps({"input_ids": [5 + i, 7, 9, 11]}) + "\n" for i in range(4)))
    recipe = {"name": "four", "store": str(store), "method": settings.pop("method", "lora"),
              "model": {"path": str(folder), "device": "cpu", "dtype": "float32", **settings},
              "data": {"train": [{"path": str(place / "rows.jsonl")}], "format": "tokens"}, "train": {"max_steps": 1}}
    (place / "recipe.yaml").write_text(json.dumps(recipe))
    done = subprocess.run([os.environ["SLMTUNE"], "train", place / "recipe.yaml"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr, store


def trained_by_the_program(report, folder, place):
    """What `slmtune train` refuses of such a base, and what a snapshot records of it."""
    for settings, code in (({"method": "full"}, "R007"), ({"quant": "int8"}, "R051")):
        status, said, _ = train(place, folder, **settings)
        report.same(f"{settings} is refused", (status, f"error[{code}]" in said), (78, True))
    status, said, store = train(place, folder, quant="nf4")
    report.same("nf4 on such a base trains and says what it is", (status, "stored in 4 bits" in said), (0, True))
    manifest = json.loads((store / "snapshots" / "0001" / "manifest.json").read_text())
    report.same("the manifest has the base's format", manifest["base_quant"], "nf4")
    seen = subprocess.run([os.environ["SLMTUNE"], "inspect", folder, "--json"], check=True, stdout=subprocess.PIPE)
    report.same("inspect counts the 4-bit weights", json.loads(seen.stdout)["weights"]["dtypes"]["NF4"], 73728)


def main():
    torch.set_num_threads(2)
    report = Report()
    rows, labels = random_rows(VOCABULARY)
    with tempfile.TemporaryDirectory() as temporary:
        for seed, family in enumerate(("llama", "qwen2")):
            place = pathlib.Path(temporary, family)
            source = make(family, place / "source", seed, intermediate_size=WHOLE_BLOCKS, vocab_size=TOKENS)
            for number, (name, settings) in enumerate(CASES.items()):
                folder = place / str(number)
                quantise(source, folder, *settings)
                logits = compare(report, f"{family}, {name}", folder, place, rows, labels,
                                 EXACT if settings[1] == torch.float32 else ROUNDED)
                if number == 0 and family == "llama":
                    merged_by_the_program(report, f"{family}, {name}", folder, place, logits, rows, labels)
                    trained_by_the_program(report, folder, place)
    report.finish()


if __name__ == "__main__":
    main()
