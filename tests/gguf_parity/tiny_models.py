"""Small random Hugging Face models with a byte-level BPE tokenizer, for the export tests.

Weights are stored as float16, so that an F16 export is exact. Both families are here: llama with llama3 rope
scaling, an untied head and a BOS token; qwen2 with biases and a tied head.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

SKIPPED = 77
SOURCE = Path(os.environ.get("SLMTUNE_SOURCE", Path(__file__).resolve().parents[2]))
LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def program() -> str:
    path = os.environ.get("SLMTUNE", "")
    if not Path(path).is_file():
        skip("SLMTUNE does not name the program")
    return path


def slmtune(*arguments: object) -> str:
    """Runs the program and returns its stdout; a failure ends the test with its messages."""
    done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"slmtune {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def tiny_tokenizer() -> tuple[dict, dict]:
    folder = SOURCE / "configs/models/tiny"
    read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
    return read("tokenizer.json"), read("tokenizer_config.json")


def added(token: int, text: str) -> dict:
    return {"id": token, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True}


def llama3_tokenizer() -> tuple[dict, dict]:
    """The tiny vocabulary behind Llama 3's pipeline: its split, its marks after the base vocabulary, BOS in front."""
    tokenizer, config = tiny_tokenizer()
    texts = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer["added_tokens"] += [added(2048 + i, text) for i, text in enumerate(texts)]
    tokenizer["normalizer"] = None
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = LLAMA3_SPLIT
    tokenizer["model"]["ignore_merges"] = True
    bos = texts[0]
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [
        tokenizer["post_processor"],
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                  {"SpecialToken": {"id": bos, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {bos: {"id": bos, "ids": [2048], "tokens": [bos]}}}]}
    config.update({"bos_token": bos, "eos_token": "<|eot_id|>", "chat_template": LLAMA3_TEMPLATE, "pad_token": None,
                   "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"}
                                            for t in tokenizer["added_tokens"]}})
    return tokenizer, config


def save_tokenizer(folder: Path, tokenizer: dict, config: dict) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def randomise(model, seed: int) -> None:
    """Values of a size that makes every part of the network matter for the next token."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.5 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.3 * noise)
            else:
                parameter.copy_(noise / parameter.shape[1] ** 0.5)


def make_llama(folder: Path) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}
    config = LlamaConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=32, vocab_size=2080, max_position_embeddings=512, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_theta": 500000.0, **scaling}, bos_token_id=2048, eos_token_id=[2049, 2052],
        pad_token_id=None)
    model = LlamaForCausalLM(config)
    randomise(model, 11)
    model.to(torch.float16).save_pretrained(folder)
    save_tokenizer(folder, *llama3_tokenizer())
    return folder


def make_qwen2(folder: Path) -> Path:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder.mkdir(parents=True)
    config = Qwen2Config(
        hidden_size=128, intermediate_size=224, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=2112, max_position_embeddings=512, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_theta": 1000000.0, "rope_type": "default"}, bos_token_id=0, eos_token_id=2,
        pad_token_id=0, use_sliding_window=False)
    model = Qwen2ForCausalLM(config)
    randomise(model, 12)
    model.to(torch.float16).save_pretrained(folder)
    save_tokenizer(folder, *tiny_tokenizer())
    return folder


MAKERS = {"llama": make_llama, "qwen2": make_qwen2}


def prompts(count: int) -> list[str]:
    """Texts of the quick start's rows, short ones and some that are longer than the original context of the rope."""
    rows = (SOURCE / "recipes/quickstart/data/faq_heldout.jsonl").read_text(encoding="utf-8").splitlines()
    texts = []
    for i, line in enumerate(rows[: 4 * count]):
        messages = json.loads(line)["messages"]
        if i % 4 == 0:
            texts.append(messages[0]["content"])
        elif i % 4 == 1 and len(texts) % 3 == 0:
            texts[-1] += " " + messages[1]["content"] + "\n\n" + (messages[0]["content"] + " 12345 ") * 4
    return texts[:count]
