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

ENCODINGS = {"f32": GGMLQuantizationType.F32, "f16": GGMLQuantizationType.F16, "bf16": GGMLQuantizationType.BF16,
             "q8_0": GGMLQuantizationType.Q8_0}
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}
STRING, ARRAY, UINT32, FLOAT32, BOOL = (GGUFValueType.STRING, GGUFValueType.ARRAY, GGUFValueType.UINT32,
                                        GGUFValueType.FLOAT32, GGUFValueType.BOOL)


def gguf_name(name: str) -> str:
    if name in TOP:
        return TOP[name]
    _, _, layer, rest = name.split(".", 3)
    module, suffix = rest.rsplit(".", 1)
    return f"blk.{layer}.{NAMES[module]}.{suffix}"


def permuted(values: numpy.ndarray, heads: int) -> numpy.ndarray:
    shape = values.shape
    return values.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def expected_tensors(folder: Path, config: dict) -> dict[str, numpy.ndarray]:
    """By GGUF name, float32, in GGUF's row order."""
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        values = tensor.to(torch.float32).numpy()
        if config["model_type"] == "llama" and "self_attn.q_proj" in name:
            values = permuted(values, config["num_attention_heads"])
        if config["model_type"] == "llama" and "self_attn.k_proj" in name:
            values = permuted(values, config["num_key_value_heads"])
        tensors[gguf_name(name)] = values
    return tensors


def check_tensors(reader: "GGUFReader", expected: dict, encoding: str) -> None:
    found = {tensor.name: tensor for tensor in reader.tensors}
    extra = set(found) - set(expected)
    assert extra <= {"rope_freqs.weight"}, extra
    assert set(expected) <= set(found), set(expected) - set(found)
    for name, values in expected.items():
        tensor = found[name]
        wanted = ENCODINGS[encoding] if values.ndim == 2 else GGMLQuantizationType.F32
        assert tensor.tensor_type == wanted, (name, tensor.tensor_type)
        assert list(tensor.shape) == list(values.shape)[::-1], (name, tensor.shape, values.shape)
        ours = quants.dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        stored = quants.quantize(values, wanted)
        assert tensor.data.tobytes() == stored.tobytes(), f"{name}: bytes differ"
        assert numpy.array_equal(ours, quants.dequantize(stored, wanted).reshape(values.shape)), name


def expected_metadata(folder: Path, config: dict, tokenizer: dict, encoding: str) -> dict:
    kind = config["model_type"]
    file_type = {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7}[encoding]
    ids = {"llama": (2048, 2052, 2052, None), "qwen2": (0, 2, 2, 0)}[kind]
    entries = {
        "general.architecture": (kind, STRING), "general.type": ("model", STRING),
        "general.file_type": (file_type, UINT32), "general.quantization_version": (2, UINT32),
        f"{kind}.context_length": (512, UINT32), f"{kind}.embedding_length": (128, UINT32),
        f"{kind}.block_count": (3, UINT32), f"{kind}.feed_forward_length": (config["intermediate_size"], UINT32),
        f"{kind}.attention.head_count": (4, UINT32), f"{kind}.attention.head_count_kv": (2, UINT32),
        f"{kind}.attention.layer_norm_rms_epsilon": (numpy.float32(config["rms_norm_eps"]), FLOAT32),
        f"{kind}.rope.freq_base": (numpy.float32(config["rope_parameters"]["rope_theta"]), FLOAT32),
        "tokenizer.ggml.model": ("gpt2", STRING),
        "tokenizer.ggml.pre": ({"llama": "llama-bpe", "qwen2": "qwen2"}[kind], STRING),
        "tokenizer.ggml.bos_token_id": (ids[0], UINT32), "tokenizer.ggml.eos_token_id": (ids[1], UINT32),
        "tokenizer.ggml.eot_token_id": (ids[2], UINT32), "tokenizer.ggml.add_bos_token": (kind == "llama", BOOL),
        "tokenizer.chat_template": (json.loads((folder / "tokenizer_config.json").read_text())["chat_template"], STRING),
    }
    if ids[3] is not None:
        entries["tokenizer.ggml.padding_token_id"] = (ids[3], UINT32)
    if kind == "llama":
        entries["llama.rope.dimension_count"] = (32, UINT32)
        entries["llama.vocab_size"] = (config["vocab_size"], UINT32)
    entries["tokenizer.ggml.merges"] = ([" ".join(merge) for merge in tokenizer["model"]["merges"]], ARRAY)
    by_id = {token: text for text, token in tokenizer["model"]["vocab"].items()}
    by_id.update({token["id"]: token["content"] for token in tokenizer["added_tokens"]})
    control = {token["id"] for token in tokenizer["added_tokens"]}
    rows = range(config["vocab_size"])
    entries["tokenizer.ggml.tokens"] = ([by_id.get(i, f"[PAD{i}]") for i in rows], ARRAY)
    entries["tokenizer.ggml.token_type"] = ([3 if i in control else 1 if i in by_id else 5 for i in rows], ARRAY)
    return entries


def check_metadata(reader: "GGUFReader", expected: dict) -> None:
    for key, (value, kind) in expected.items():
        field = reader.fields.get(key)
        assert field is not None, f"{key} is missing"
        assert field.types[0] == kind, (key, field.types)
        assert field.contents() == value, key
    known = set(expected) | {"general.name", "GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
    known |= {f"{expected['general.architecture'][0]}.attention.{part}_length" for part in ("key", "value")}
    assert set(reader.fields) <= known, set(reader.fields) - known


def check_rope_factors(reader: "GGUFReader", config: dict) -> None:
    from transformers import AutoConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    loaded = AutoConfig.for_model(**config)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](loaded, "cpu")
    plain = config["rope_parameters"]["rope_theta"] ** (-torch.arange(0, 32, 2, dtype=torch.float64) / 32)
    stored = next(tensor for tensor in reader.tensors if tensor.name == "rope_freqs.weight")
    numpy.testing.assert_allclose(stored.data, (plain / scaled.double()).numpy(), rtol=2e-6)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            folder = make(Path(temporary) / kind)
            config = json.loads((folder / "config.json").read_text())
            tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            for encoding in ENCODINGS:
                path = Path(temporary) / f"{kind}-{encoding}.gguf"
                slmtune("export", folder, "--format", "gguf", "--encoding", encoding, "--to", path)
                reader = GGUFReader(path)
                check_tensors(reader, expected_tensors(folder, config), encoding)
                check_metadata(reader, expected_metadata(folder, config, tokenizer, encoding))
                if kind == "llama":
                    check_rope_factors(reader, config)
                print(f"{kind} {encoding}: {len(reader.tensors)} tensors and {len(reader.fields)} fields equal")


if __name__ == "__main__":
    main()
