"""Tiny random-weight models of every family, saved by transformers.

    from tiny_models import make
    folder = make("gemma2", "models/gemma2", seed=1, sliding_window=9)
"""
import json
import pathlib

import torch
import transformers
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()

VOCABULARY = 320

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    rms_norm_eps=1e-5,
    attention_dropout=0.0,
    bos_token_id=None,
    eos_token_id=2,
    pad_token_id=0,
    tie_word_embeddings=False,
)
# The original length is far below the test rows, so that every branch of the scaling is used.
LLAMA3_ROPE = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)


def longrope(pairs, **more):
    return dict(rope_type="longrope", short_factor=[1.0 + 0.1 * i for i in range(pairs)],
                long_factor=[1.5 + 0.9 * i for i in range(pairs)], **more)


# What each family's tests have on by default, beside SIZES.
FAMILIES = {
    "llama": ("Llama", dict(rope_parameters=LLAMA3_ROPE)),
    "qwen2": ("Qwen2", dict(rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "mistral": ("Mistral", dict(head_dim=24, sliding_window=None)),
    "gemma2": ("Gemma2", dict(head_dim=24, sliding_window=17, query_pre_attn_scalar=20,
                              attn_logit_softcapping=1.5, final_logit_softcapping=2.5)),
    "phi3": ("Phi3", dict(original_max_position_embeddings=512)),
}


def _randomise(model, seed):
    """Weights large enough that logits differ; norms around their neutral value; biases not zero."""
    generator = torch.Generator().manual_seed(seed)
    neutral = 0.0 if model.config.model_type == "gemma2" else 1.0
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.normal_(0.0, 0.1, generator=generator)
            if name.endswith("norm.weight"):
                tensor.add_(neutral)


def make(family, folder, seed, dtype="float32", max_shard_size="5GB", **changes):
    """A folder as transformers 5 writes it. `rope_parameters` get a theta when they have none."""
    name, settings = FAMILIES[family]
    settings = {**SIZES, **settings, **changes}
    rope = dict(settings.pop("rope_parameters", None) or dict(rope_type="default"))
    rope.setdefault("rope_theta", 10000.0)
    config = getattr(transformers, name + "Config")(**settings, rope_parameters=rope)
    model = getattr(transformers, name + "ForCausalLM")(config)
    _randomise(model, seed)
    folder = pathlib.Path(folder)
    model.to(getattr(torch, dtype)).save_pretrained(
        folder, max_shard_size=max_shard_size)
    return folder


def write_as_transformers_4(folder):
    """Rewrites config.json with the keys of transformers 4.x."""
    path = pathlib.Path(folder) / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    kind = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else dict(type=kind, **rope)
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    if config["model_type"] == "gemma2" and config["tie_word_embeddings"]:
        del config["tie_word_embeddings"]
    path.write_text(json.dumps(config))
    return folder
