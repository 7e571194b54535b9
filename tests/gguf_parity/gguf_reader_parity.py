"""The `gguf` package reads our files: names, types, shapes, metadata and every stored byte are what it would write."""

import json
import tempfile
from pathlib import Path

import tiny_models
from tiny_models import skip, slmtune

try:
    import numpy
    import torch
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, quants
    from safetensors.torch import load_file
except ImportError as missing:
    skip(f"{missing.name} is not installed")

ENCODINGS = {"f16": GGMLQuantizationType.F16, "q8_0": GGMLQuantizationType.Q8_0, "f32": GGMLQuantizationType.F32,
             "bf16": GGMLQuantizationType.BF16}
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}
GEMMA_NAMES = {**NAMES, "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
               "post_feedforward_layernorm": "post_ffw_norm"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}
ARCHITECTURES = {"mistral": "llama"}
ROPE_TENSORS = {"llama": {"rope_freqs.weight"}, "phi3": {"rope_factors_long.weight", "rope_factors_short.weight"}}
STRING, ARRAY, UINT32, FLOAT32, BOOL = (GGUFValueType.STRING, GGUFValueType.ARRAY, GGUFValueType.UINT32,
                                        GGUFValueType.FLOAT32, GGUFValueType.BOOL)
# Texts of bos, eos, end of turn and pad; whether BOS goes in front, and a blank.
SPECIAL = {"llama": ("<|begin_of_text|>", "<|eot_id|>", "<|eot_id|>", None, True, None),
           "qwen2": ("<|endoftext|>", "<|im_end|>", "<|im_end|>", "<|endoftext|>", False, None),
           "mistral": ("<s>", "</s>", "</s>", None, True, True),
           "gemma2": ("<bos>", "<eos>", "<end_of_turn>", "<pad>", True, False),
           "phi3": ("<s>", "<|endoftext|>", "<|end|>", "<|endoftext|>", False, True)}


def gguf_name(name: str, kind: str) -> str:
    if name in TOP:
        return TOP[name]
    _, _, layer, rest = name.split(".", 3)
    module, suffix = rest.rsplit(".", 1)
    return f"blk.{layer}.{(GEMMA_NAMES if kind == 'gemma2' else NAMES)[module]}.{suffix}"


def permuted(values: numpy.ndarray, heads: int) -> numpy.ndarray:
    shape = values.shape
    return values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def expected_tensors(folder: Path, config: dict, kind: str) -> dict[str, numpy.ndarray]:
    """By GGUF name, float32, in GGUF's row order."""
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        values = tensor.to(torch.float32).numpy()
        for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if kind in ("llama", "mistral") and projection in name:
                values = permuted(values, config[heads])
        if kind == "gemma2" and name.endswith("norm.weight"):
            values = values + numpy.float32(1)
        tensors[gguf_name(name, kind)] = values
    return tensors


def check_tensors(reader: "GGUFReader", expected: dict, encoding: str, kind: str) -> None:
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert set(found) == set(expected) | ROPE_TENSORS.get(kind, set()), set(found) ^ set(expected)
    for name, values in expected.items():
        tensor = found[name]
        wanted = ENCODINGS[encoding] if values.ndim == 2 else GGMLQuantizationType.F32
        assert tensor.tensor_type == wanted, (name, tensor.tensor_type)
        assert list(tensor.shape) == list(values.shape)[::-1], (name, tensor.shape, values.shape)
        ours = quants.dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        stored = quants.quantize(values, wanted)
        assert tensor.data.tobytes() == stored.tobytes(), f"{name}: bytes differ"
        assert numpy.array_equal(ours, quants.dequantize(stored, wanted).reshape(values.shape)), name


def network_keys(config: dict, kind: str) -> dict:
    """Of the architecture, without its name in front."""
    rope, width = config["rope_parameters"], config["hidden_size"] // config["num_attention_heads"]
    keys = {"context_length": (config["max_position_embeddings"], UINT32), "embedding_length": (256, UINT32),
            "block_count": (2, UINT32), "feed_forward_length": (512, UINT32), "attention.head_count": (4, UINT32),
            "attention.head_count_kv": (2, UINT32),
            "attention.layer_norm_rms_epsilon": (numpy.float32(config["rms_norm_eps"]), FLOAT32),
            "rope.freq_base": (numpy.float32(rope["rope_theta"]), FLOAT32)}
    if kind in ("llama", "mistral", "gemma2"):
        keys |= {f"attention.{part}_length": (config["head_dim"], UINT32) for part in ("key", "value")}
    if kind in ("llama", "mistral"):
        keys |= {"rope.dimension_count": (config["head_dim"], UINT32), "vocab_size": (config["vocab_size"], UINT32)}
    if kind == "gemma2":
        keys |= {"attention.sliding_window": (32, UINT32), "attn_logit_softcapping": (50.0, FLOAT32),
                 "final_logit_softcapping": (30.0, FLOAT32)}
    if kind == "phi3":
        factor = numpy.float32((1 + numpy.log(1024 / 512) / numpy.log(512)) ** 0.5)
        keys |= {"rope.dimension_count": (width * 3 // 4, UINT32), "attention.sliding_window": (0, UINT32),
                 "rope.scaling.original_context_length": (512, UINT32), "rope.scaling.attn_factor": (factor, FLOAT32)}
    return keys


def token_types(tokenizer: dict, rows: int) -> tuple[list[str], list[int]]:
    """Texts and types by id."""
    texts = {number: text for text, number in tokenizer["model"]["vocab"].items()}
    types = {number: 6 if text.startswith("<0x") and len(text) == 6 else 1 for number, text in texts.items()}
    for token in tokenizer["added_tokens"]:
        # Runs of blanks that merges make, too, are looked for before blanks are written as marks.
        texts[token["id"]] = token["content"].replace("\u2581", " ") if set(token["content"]) == {"\u2581"} else token["content"]
        types[token["id"]] = 2 if token["content"] == "<unk>" else 3 if token["special"] else 4
    return [texts.get(i, f"[PAD{i}]") for i in range(rows)], [types.get(i, 5) for i in range(rows)]


def scores_of(tokenizer: dict, rows: int) -> list[float]:
    vocab = tokenizer["model"]["vocab"]
    scores = [-1e9] * tiny_models.tiny_tokenizers.size(tokenizer) + [-1e4] * rows
    for rank, (left, right) in reversed(list(enumerate(tokenizer["model"]["merges"]))):
        scores[vocab[left + right]] = -float(rank)
    return scores[:rows]


def tokenizer_keys(folder: Path, tokenizer: dict, kind: str, rows: int) -> dict:
    bos, eos, end, pad, adds_bos, adds_space = SPECIAL[kind]
    number = lambda text: tiny_models.tiny_tokenizers.number(tokenizer, text)
    texts, types = token_types(tokenizer, rows)
    keys = {"bos_token_id": (number(bos), UINT32), "eos_token_id": (number(eos), UINT32), "eot_token_id": (number(end), UINT32),
            "add_bos_token": (adds_bos, BOOL), "tokens": (texts, ARRAY), "token_type": (types, ARRAY)}
    if pad:
        keys["padding_token_id"] = (number(pad), UINT32)
    if adds_space is None:
        keys |= {"model": ("gpt2", STRING), "pre": ({"llama": "llama-bpe", "qwen2": "qwen2"}[kind], STRING),
                 "merges": ([" ".join(merge) for merge in tokenizer["model"]["merges"]], ARRAY)}
    else:
        keys |= {"model": ("llama", STRING), "pre": ("default", STRING), "unknown_token_id": (number("<unk>"), UINT32),
                 "add_space_prefix": (adds_space, BOOL), "scores": (scores_of(tokenizer, rows), ARRAY)}
    template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    return {**{f"tokenizer.ggml.{key}": value for key, value in keys.items()}, "tokenizer.chat_template": (template, STRING)}


def expected_metadata(folder: Path, config: dict, tokenizer: dict, encoding: str, kind: str, path: Path) -> dict:
    architecture = ARCHITECTURES.get(kind, kind)
    file_type = {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7}[encoding]
    return {
        "general.architecture": (architecture, STRING), "general.type": ("model", STRING),
        "general.name": (path.stem if kind != "phi3" or "phi3" in path.stem else "Phi-3 " + path.stem, STRING),
        "general.file_type": (file_type, UINT32), "general.quantization_version": (2, UINT32),
        **{f"{architecture}.{key}": value for key, value in network_keys(config, kind).items()},
        **tokenizer_keys(folder, tokenizer, kind, config["vocab_size"]),
    }


def check_metadata(reader: "GGUFReader", expected: dict) -> None:
    for key, (value, kind) in expected.items():
        field = reader.fields.get(key)
        assert field is not None, f"{key} is missing"
        assert field.types[0] == kind, (key, field.types)
        assert field.contents() == value, key
    known = set(expected) | {"general.size_label", "GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
    assert set(reader.fields) == known, set(reader.fields) ^ known


def check_rope_factors(reader: "GGUFReader", config: dict) -> None:
    from transformers import AutoConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    loaded = AutoConfig.for_model(**config)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](loaded, "cpu")
    plain = config["rope_parameters"]["rope_theta"] ** (-torch.arange(0, 64, 2, dtype=torch.float64) / 64)
    stored = next(tensor for tensor in reader.tensors if tensor.name == "rope_freqs.weight")
    numpy.testing.assert_allclose(stored.data, (plain / scaled.double()).numpy(), rtol=2e-6)


def check_longrope(reader: "GGUFReader", config: dict) -> None:
    for name in ("long", "short"):
        stored = next(tensor for tensor in reader.tensors if tensor.name == f"rope_factors_{name}.weight")
        assert stored.data.tolist() == numpy.float32(config["rope_parameters"][f"{name}_factor"]).tolist()


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            folder = make(Path(temporary) / kind)
            config = json.loads((folder / "config.json").read_text())
            tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            for encoding in list(ENCODINGS)[: 4 if kind == "llama" else 2]:
                path = Path(temporary) / f"{kind}-{encoding}.gguf"
                slmtune("export", folder, "--format", "gguf", "--encoding", encoding, "--to", path, "--no-verify")
                reader = GGUFReader(path)
                check_tensors(reader, expected_tensors(folder, config, kind), encoding, kind)
                check_metadata(reader, expected_metadata(folder, config, tokenizer, encoding, kind, path))
                if kind == "llama":
                    check_rope_factors(reader, config)
                if kind == "phi3":
                    check_longrope(reader, config)
                print(f"{kind} {encoding}: {len(reader.tensors)} tensors and {len(reader.fields)} fields equal")


if __name__ == "__main__":
    main()
