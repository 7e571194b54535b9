"""transformers loads our Hugging Face folders of every family: a plain one gives the same logits to the bit, with the same
tokenizer, template and generation settings; one with a merged adapter gives those of PEFT's own merge."""

import json
import subprocess
import tempfile
from pathlib import Path

import tiny_models
from tiny_models import program, skip, slmtune

try:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as missing:
    skip(f"{missing.name} is not installed")


def load(folder: Path):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def logits(model) -> torch.Tensor:
    ids = torch.randint(3, 2048, (1, 96), generator=torch.Generator().manual_seed(3))
    return model(ids).logits


def split_off_template(folder: Path) -> str:
    """The chat template in a file of its own, as transformers 5 writes it."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    template = config.pop("chat_template")
    path.write_text(json.dumps(config), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return template


def check_plain(folder: Path, out: Path) -> None:
    template = split_off_template(folder)
    slmtune("export", folder, "--format", "hf", "--to", out)
    assert torch.equal(logits(load(folder)), logits(load(out)))
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text()) == json.loads((out / name).read_text()), name
    before, after = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(out)
    texts = tiny_models.prompts(5)
    assert before(texts)["input_ids"] == after(texts)["input_ids"]
    assert after.chat_template == template
    print(f"  plain: logits and prompts equal, {sorted(path.name for path in out.iterdir())}")


def make_adapter(folder: Path, out: Path) -> None:
    torch.manual_seed(5)
    model = get_peft_model(load(folder), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
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


def check_overflow(folder: Path, place: Path) -> None:
    """A merged value that float16 cannot hold is named, and bfloat16 holds it."""
    adapter = place / "large"
    make_adapter(folder, adapter)
    factors = load_file(adapter / "adapter_model.safetensors")
    name = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
    factors[name] *= 1e9
    save_file(factors, adapter / "adapter_model.safetensors", {"format": "pt"})
    command = [program(), "merge", folder, "--adapter", adapter, "--to", place / "large-merged"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 65, done.returncode
    for text in ("error[F070]", "layers.1.mlp.up_proj.weight", "--dtype bfloat16"):
        assert text in done.stderr, (text, done.stderr)
    assert not (place / "large-merged").exists()
    slmtune(*command[1:], "--dtype", "bfloat16")
    ours = load_file(place / "large-merged" / "model.safetensors")
    theirs = PeftModel.from_pretrained(load(folder), adapter).merge_and_unload().state_dict()
    for key, values in ours.items():
        assert values.dtype == torch.bfloat16 and torch.isfinite(values).all(), key
        # The sums behind a value may differ in their last bits, and so may its rounding.
        assert torch.allclose(values.float(), theirs[key], rtol=2 ** -8, atol=1e-6 * theirs[key].abs().max().item()), key
    assert AutoModelForCausalLM.from_pretrained(place / "large-merged").dtype == torch.bfloat16
    print("  overflow: named, and written in bfloat16")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            print(kind)
            folder = make(Path(temporary) / kind)
            check_plain(folder, Path(temporary) / f"{kind}-hf")
            check_merged(folder, Path(temporary) / f"{kind}-adapter", Path(temporary) / f"{kind}-merged")
        check_overflow(Path(temporary) / "qwen2", Path(temporary))


if __name__ == "__main__":
    main()
