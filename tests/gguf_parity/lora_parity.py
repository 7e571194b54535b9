"""Our GGUF adapters in the llama.cpp runtime: over the base model's file they give the log probabilities of the file with
the adapter merged, and what a GGUF adapter cannot hold is refused.

Weights are float32 here, so that nothing but the order of sums lies between the two; the adapters over an F16 and a Q8_0
base show how much rounding the merged weights costs. SLMTUNE_COUNTS=full takes every kind of adapter for every family.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import tiny_models
from llama_cpp import Runtime
from tiny_models import program, skip, slmtune

try:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM
except ImportError as missing:
    skip(f"{missing.name} is not installed")

LARGEST_DIFFERENCE = 1e-3  # of log probabilities
PROMPTS = 6
FULL = os.environ.get("SLMTUNE_COUNTS") == "full"
# By the ends of module names, as both kinds of attention and MLP have them.
MIXED = dict(r=4, lora_alpha=6, use_rslora=True, target_modules="all-linear",
             rank_pattern={r"layers\.1\..*(q_proj|qkv_proj)": 7, "down_proj": 2}, alpha_pattern={"o_proj": 11})
CASES = {
    "plain": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    "rslora": dict(r=6, lora_alpha=3, use_rslora=True, target_modules="all-linear"),
    "mixed": MIXED,
    "attention": dict(r=3, lora_alpha=4, target_modules=["q_proj", "k_proj", "qkv_proj"]),
}
VOCABULARY = dict(r=4, lora_alpha=8, target_modules=["embed_tokens", "lm_head", "q_proj"])
DORA = dict(r=4, lora_alpha=8, use_dora=True, target_modules="all-linear")


def answers(path: Path, vocabulary: int, adapter: Path | None = None) -> torch.Tensor:
    runtime = Runtime(path, adapter=adapter)
    return torch.stack([runtime.next_token(prompt, vocabulary) for prompt in tiny_models.prompts(PROMPTS)])


def to_float32(folder: Path) -> None:
    """The tiny models are stored in float16, to which a merge would round."""
    path = folder / "model.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = "float32"
    config.pop("torch_dtype", None)
    (folder / "config.json").write_text(json.dumps(config))


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def make_adapter(folder: Path, settings: dict, out: Path) -> Path:
    torch.manual_seed(5)
    model = get_peft_model(load(folder), LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05)
            if "lora_embedding_A" in name:
                parameter.normal_(0, 0.2)
    model.save_pretrained(out)
    return out


def export(model: Path, encoding: str, to: Path, *options: object) -> Path:
    slmtune("export", model, *options, "--format", "gguf", "--encoding", encoding, "--no-verify", "--to", to)
    return to


def export_adapter(folder: Path, adapter: Path, to: Path) -> Path:
    report = json.loads(slmtune("export", folder, "--adapter", adapter, "--format", "gguf-lora", "--to", to, "--json"))
    assert report["format"] == "gguf-lora" and report["bytes"] == to.stat().st_size, report
    return to


def told(*answers_of: torch.Tensor) -> list[torch.Tensor]:
    """Those of the prompts behind which every model goes on with a whole character."""
    kept = ~torch.stack(answers_of).isnan().any(-1).any(0)
    assert 2 * kept.sum() > PROMPTS, "too few prompts are left"
    return [found[kept] for found in answers_of]


def compare(kind: str, name: str, base: torch.Tensor, merged: torch.Tensor, adapted: torch.Tensor) -> None:
    base, merged, adapted = told(base, merged, adapted)
    difference, change = (adapted - merged).abs().max().item(), (adapted - base).abs().max().item()
    print(f"{kind}, {name}: log probabilities within {difference:.2g} of the merged model's; the adapter changes them by "
          f"{change:.2g}")
    assert difference <= LARGEST_DIFFERENCE, difference  # not with NaN
    assert change > 0.1, change


class Family:
    def __init__(self, kind: str, place: Path):
        self.kind, self.place = kind, place
        self.folder = tiny_models.MAKERS[kind](place / kind)
        to_float32(self.folder)
        config = json.loads((self.folder / "config.json").read_text())
        self.vocabulary, self.tied = config["vocab_size"], config["tie_word_embeddings"]
        self.base = export(self.folder, "f32", place / f"{kind}.gguf")
        self.base_answers = answers(self.base, self.vocabulary)

    def adapter(self, name: str, settings: dict) -> Path:
        return make_adapter(self.folder, settings, self.place / f"{self.kind}-{name}")

    def check(self, name: str, settings: dict) -> None:
        """Merged by us."""
        adapter = self.adapter(name, settings)
        merged = export(self.folder, "f32", self.place / "merged.gguf", "--adapter", adapter)
        self.check_against(merged, name, adapter)
        merged.unlink()

    def check_vocabulary(self) -> None:
        """Adapters of embedding and head, which we hand over but do not train: merged by PEFT."""
        adapter = self.adapter("vocabulary", VOCABULARY)
        whole = self.place / f"{self.kind}-whole"
        PeftModel.from_pretrained(load(self.folder), adapter).merge_and_unload().save_pretrained(whole)
        for path in self.folder.glob("tokenizer*"):
            (whole / path.name).write_bytes(path.read_bytes())
        self.check_against(export(whole, "f32", self.place / f"{self.kind}-whole.gguf"), "embedding and head", adapter)

    def check_against(self, merged: Path, name: str, adapter: Path) -> None:
        file = export_adapter(self.folder, adapter, self.place / f"{self.kind}-{name}-LoRA.gguf")
        compare(self.kind, name, self.base_answers, answers(merged, self.vocabulary),
                answers(self.base, self.vocabulary, file))

    def show_rounded(self, encoding: str) -> None:
        """Over a base in fewer bits: the adapter's own numbers are not rounded there, those of a merged file are."""
        adapter = self.adapter("rounded-" + encoding, CASES["plain"])
        base = export(self.folder, encoding, self.place / f"{self.kind}-{encoding}.gguf")
        merged = export(self.folder, encoding, self.place / f"{self.kind}-{encoding}-merged.gguf", "--adapter", adapter)
        file = export_adapter(self.folder, adapter, self.place / f"{self.kind}-{encoding}-LoRA.gguf")
        plain, whole, adapted = told(answers(base, self.vocabulary), answers(merged, self.vocabulary),
                                     answers(base, self.vocabulary, file))
        difference, change = (adapted - whole).abs().max().item(), (plain - whole).abs().max().item()
        print(f"{self.kind}, over {encoding}: within {difference:.2g} of the merged file's; the adapter changes {change:.2g}")
        assert difference < change / 4, (difference, change)


def refused(folder: Path, adapter: Path, code: str, *texts: str) -> None:
    to = adapter.parent / "refused-LoRA.gguf"
    done = subprocess.run([program(), "export", folder, "--adapter", adapter, "--format", "gguf-lora", "--to", to],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 65, (done.returncode, done.stderr)
    for text in (f"error[{code}]", *texts):
        assert text in done.stderr, (text, done.stderr)
    assert not to.exists()


def check_refusals(one: Family, other: Family) -> None:
    refused(one.folder, one.adapter("dora", DORA), "F097", "DoRA", "--format gguf")
    saved = one.adapter("saved", dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]))
    refused(one.folder, saved, "F061", "modules_to_save")
    tied = one if one.tied else other
    refused(tied.folder, tied.adapter("head", dict(r=2, target_modules=["lm_head"])), "F097", "'lm_head'", "target modules")
    embedding = tied.adapter("embedding", dict(r=2, target_modules=["embed_tokens"]))
    refused(tied.folder, embedding, "F097", "'model.embed_tokens'")
    # llama.cpp itself refuses an adapter of another architecture; so no wrong pair goes unnoticed.
    file = export_adapter(one.folder, one.adapter("other", CASES["plain"]), one.place / "other-LoRA.gguf")
    try:
        Runtime(other.base, adapter=file)
    except RuntimeError:
        print("refusals: DoRA, full modules, head and embedding of a tied model; the runtime refuses another architecture")
        return
    raise AssertionError(f"the runtime took an adapter of {one.kind} for {other.kind}")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        families = {kind: Family(kind, Path(temporary)) for kind in tiny_models.MAKERS}
        for family in families.values():
            for name, settings in CASES.items() if FULL else [("mixed", MIXED)]:
                family.check(name, settings)
            if not family.tied and (FULL or family.kind == "llama"):
                family.check_vocabulary()
        for encoding in ("f16", "q8_0"):
            families["llama"].show_rounded(encoding)
        check_refusals(families["llama"], families["qwen2"])


if __name__ == "__main__":
    main()
