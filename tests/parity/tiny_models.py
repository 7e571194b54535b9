"""Tiny random-weight models of both families, saved by transformers, with the tiny tokenizer beside them.

    from tiny_models import make_llama, make_qwen2
    folder = make_llama("models/llama", seed=1, tied=False, dtype="float32")
"""
import os
import pathlib
import shutil

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()

SOURCE = pathlib.Path(os.environ.get("SLMTUNE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
TOKENIZER = SOURCE / "configs" / "models" / "tiny"
VOCABULARY = 2048  # of configs/models/tiny

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=64,
    intermediate_size=160,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    rms_norm_eps=1e-5,
    attention_dropout=0.0,
    bos_token_id=None,
    eos_token_id=2,
    pad_token_id=0,
)
# The original length is far below the test rows, so that every branch of the scaling is used.
LLAMA3_ROPE = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)


def _randomise(model, seed):
    """Weights large enough that logits differ; norms around 1; biases not zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.normal_(0.0, 0.1, generator=generator)
            if name.endswith("norm.weight"):
                tensor.add_(1.0)


def _save(model, folder, seed, dtype):
    _randomise(model, seed)
    folder = pathlib.Path(folder)
    model.to(getattr(torch, dtype)).save_pretrained(folder, safe_serialization=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TOKENIZER / name, folder / name)
    return folder


def make_llama(folder, seed, tied=False, dtype="float32", rope=LLAMA3_ROPE, **changes):
    """Llama with grouped queries; `rope`: rope parameters beside theta, or None for plain rope."""
    rope_parameters = dict(rope_theta=10000.0, **(rope or dict(rope_type="default")))
    config = LlamaConfig(
        **{**SIZES, "tie_word_embeddings": tied, "rope_parameters": rope_parameters, **changes})
    return _save(LlamaForCausalLM(config), folder, seed, dtype)


def make_qwen2(folder, seed, tied=False, dtype="float32", **changes):
    """Qwen2: biases on q, k and v."""
    rope_parameters = dict(rope_theta=1000000.0, rope_type="default")
    config = Qwen2Config(
        **{**SIZES, "tie_word_embeddings": tied, "rope_parameters": rope_parameters, **changes})
    return _save(Qwen2ForCausalLM(config), folder, seed, dtype)


FAMILIES = {"llama": make_llama, "qwen2": make_qwen2}
