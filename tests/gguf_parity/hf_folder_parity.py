"""transformers loads our Hugging Face folders: a plain one gives the same logits to the bit, one with a merged adapter
those of PEFT's own merge."""

import json
import tempfile
from pathlib import Path

import tiny_models
from tiny_models import skip, slmtune

try:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as missing:
    skip(f"{missing.name} is not installed")


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def logits(model) -> torch.Tensor:
    ids = torch.randint(3, 2048, (1, 96), generator=torch.Generator().manual_seed(3))
    return model(ids).logits


def check_plain(folder: Path, out: Path) -> None:
    slmtune("export", folder, "--format", "hf", "--to", out)
    assert torch.equal(logits(load(folder)), logits(load(out)))
    before, after = (json.loads((place / "config.json").read_text()) for place in (folder, out))
    assert before == after
    texts = tiny_models.prompts(5)
    tokenizers = [AutoTokenizer.from_pretrained(place) for place in (folder, out)]
    assert tokenizers[0](texts)["input_ids"] == tokenizers[1](texts)["input_ids"]
    print(f"  plain: logits equal, {sorted(path.name for path in out.iterdir())}")


def make_adapter(folder: Path, out: Path) -> None:
    torch.manual_seed(5)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(load(folder), LoraConfig(r=4, lora_alpha=8, target_modules=modules, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.05)
    model.save_pretrained(out)


def check_merged(folder: Path, adapter: Path, out: Path) -> None:
    make_adapter(folder, adapter)
    slmtune("merge", folder, "--adapter", adapter, "--to", out)
    theirs = logits(PeftModel.from_pretrained(load(folder), adapter).merge_and_unload())
    ours, base = logits(load(out)), logits(load(folder))
    # Our folder keeps the base's float16: one rounding per weight.
    error, change = (ours - theirs).abs().max().item(), (theirs - base).abs().max().item()
    print(f"  merged: logits within {error:.2g} of PEFT's; the adapter changes them by {change:.2g}")
    assert error < 0.02 * change, (error, change)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            print(kind)
            folder = make(Path(temporary) / kind)
            check_plain(folder, Path(temporary) / f"{kind}-hf")
            check_merged(folder, Path(temporary) / f"{kind}-adapter", Path(temporary) / f"{kind}-merged")


if __name__ == "__main__":
    main()
