"""Small random Hugging Face models of every family, for the export tests.

Weights are stored as float16, so that an F16 export is exact. Rows of most matrices are multiples of 256, as the K
encodings need; Mistral's o_proj is not. Each family has what is special in it: llama has llama3 rope scaling, an untied
head and BOS; qwen2 biases and a tied head; mistral heads of its own size; gemma2 windows, caps and norms around 0; phi3
joined matrices, partial rotation, longrope and a tied head, as Phi-4-mini has.
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
FULL = os.environ.get("SLMTUNE_COUNTS") == "full"


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


try:
    import tiny_tokenizers
    import torch
    import transformers
except ImportError as missing:
    skip(f"{missing.name} is not installed")
if not tiny_tokenizers.spm.mistral_file("v1"):
    skip("mistral_common is not installed")


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


def randomise(model: "torch.nn.Module", seed: int) -> None:
    """Values of a size that makes every part of the network matter for the next token."""
    generator = torch.Generator().manual_seed(seed)
    neutral = 0.0 if model.config.model_type == "gemma2" else 1.0
    # Gemma multiplies embeddings by the root of its width.
    embedding = 0.3 / (model.config.hidden_size ** 0.5 if model.config.model_type == "gemma2" else 1.0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(neutral + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.5 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(embedding * noise)
            else:
                parameter.copy_(noise / parameter.shape[1] ** 0.5)


ROWS = 2112  # of the embedding: more than there are tokens, as in published models
SIZES = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=512, rms_norm_eps=1e-5, attention_dropout=0.0, tie_word_embeddings=False,
             pad_token_id=None)
LLAMA3_ROPE = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)
# 48 of 64 channels turn. Texts of more than 512 tokens take the long factors.
LONGROPE = dict(rope_type="longrope", partial_rotary_factor=0.75, short_factor=[1.0 + 0.02 * i for i in range(24)],
                long_factor=[1.5 + 0.9 * i for i in range(24)], original_max_position_embeddings=512)
# Class, tokenizer, texts of its special tokens (several eos are a list), what differs from SIZES.
FAMILIES = {
    "llama": ("Llama", tiny_tokenizers.llama3, {"bos": "<|begin_of_text|>", "eos": ["<|end_of_text|>", "<|eot_id|>"]},
              dict(head_dim=64, rope_parameters=dict(LLAMA3_ROPE, rope_theta=500000.0))),
    "qwen2": ("Qwen2", tiny_tokenizers.qwen2, {"bos": "<|endoftext|>", "eos": ["<|im_end|>"], "pad": "<|endoftext|>"},
              dict(rms_norm_eps=1e-6, tie_word_embeddings=True, use_sliding_window=False,
                   rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "mistral": ("Mistral", tiny_tokenizers.mistral, {"bos": "<s>", "eos": ["</s>"]},
                dict(head_dim=40, sliding_window=None, rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "gemma2": ("Gemma2", tiny_tokenizers.gemma, {"bos": "<bos>", "eos": ["<eos>", "<end_of_turn>"], "pad": "<pad>"},
               dict(head_dim=64, query_pre_attn_scalar=64, sliding_window=32, tie_word_embeddings=True, rms_norm_eps=1e-6)),
    "phi3": ("Phi3", tiny_tokenizers.phi3, {"bos": "<s>", "eos": ["<|endoftext|>", "<|end|>"], "pad": "<|endoftext|>"},
             dict(max_position_embeddings=1024, original_max_position_embeddings=512, sliding_window=None,
                  tie_word_embeddings=True, rope_parameters=dict(LONGROPE, rope_theta=10000.0))),
}
# More shapes, for the test with llama.cpp alone: name -> family, tokenizer or None, changes.
VARIANTS = {
    "qwen2-yarn": ("qwen2", None, dict(rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=1000000.0,
                                                            original_max_position_embeddings=128))),
    "llama-linear": ("llama", None, dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                                         rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0))),
    "mistral-v3": ("mistral", tiny_tokenizers.mistral_v3, {}),
    "phi3-plain": ("phi3", None, dict(max_position_embeddings=512, tie_word_embeddings=False,
                                      rope_parameters=dict(rope_type="default", rope_theta=10000.0))),
}


def make(folder: Path, family: str, tokenizer_of=None, changes: dict | None = None, rows: int = ROWS) -> Path:
    name, default_tokenizer, special, settings = FAMILIES[family]
    tokenizer, tokenizer_config = (tokenizer_of or default_tokenizer)()
    ids = {role: [tiny_tokenizers.number(tokenizer, text) for text in ([texts] if isinstance(texts, str) else texts)]
           for role, texts in special.items()}
    settings = {**SIZES, **settings, **(changes or {}), "bos_token_id": ids["bos"][0],
                "eos_token_id": ids["eos"] if len(ids["eos"]) > 1 else ids["eos"][0]}
    if "pad" in ids:
        settings["pad_token_id"] = ids["pad"][0]
    assert rows >= tiny_tokenizers.size(tokenizer)
    config = getattr(transformers, name + "Config")(vocab_size=rows, **settings)
    model = getattr(transformers, name + "ForCausalLM")(config)
    randomise(model, 11 + list(FAMILIES).index(family))
    folder.mkdir(parents=True)
    model.to(torch.float16).save_pretrained(folder)
    tiny_tokenizers.save(folder, tokenizer, tokenizer_config)
    return folder


def make_variant(folder: Path, name: str) -> Path:
    return make(folder, *VARIANTS[name])


MAKERS = {family: (lambda folder, family=family: make(folder, family)) for family in FAMILIES}


def rows_of(name: str) -> list[list[dict]]:
    """Messages of the quick start's rows."""
    lines = (SOURCE / "recipes/quickstart/data" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def prompts(count: int) -> list[str]:
    """Texts of the quick start's rows, short ones and some that are longer than the original context of the rope."""
    texts = []
    for i, messages in enumerate((rows_of("faq_heldout.jsonl") + rows_of("faq_train.jsonl"))[: 4 * count]):
        if i % 4 == 0:
            texts.append(messages[0]["content"])
        elif i % 4 == 1 and len(texts) % 3 == 0:
            texts[-1] += " " + messages[1]["content"] + "\n\n" + (messages[0]["content"] + " 12345 ") * 4
    return texts[:count]
