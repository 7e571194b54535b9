"""Model folders and adapters with random weights, written as fast as the disk takes them. Needs no packages.

The numbers are normal ones from a seed, a million of them again and again: products of matrices take as long as with
published weights (with zeros they would be faster), and no reader can tell that they repeat.
"""
import array
import json
import math
import random
import struct
from pathlib import Path

PERIOD = 1_048_573  # a prime: neighbouring rows of a matrix never line up
WIDTHS = {"float32": ("F32", 4), "bfloat16": ("BF16", 2)}


def sizes_of(config):
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return config["hidden_size"], config["intermediate_size"], head * config["num_attention_heads"], \
        head * config["num_key_value_heads"]


def linears_of(config):
    """[out, in] of each linear of a layer, by module name."""
    width, inner, queries, keys = sizes_of(config)
    return {"self_attn.q_proj": (queries, width), "self_attn.k_proj": (keys, width), "self_attn.v_proj": (keys, width),
            "self_attn.o_proj": (width, queries), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner)}


def tensors_of(config):
    """Name, shape and kind of every tensor of a Llama or Qwen 2 model."""
    width, vocabulary = config["hidden_size"], config["vocab_size"]
    yield "model.embed_tokens.weight", (vocabulary, width), "normal"
    for layer in range(config["num_hidden_layers"]):
        place = f"model.layers.{layer}."
        for name, shape in linears_of(config).items():
            yield f"{place}{name}.weight", shape, "normal"
            if config["model_type"] == "qwen2" and name[-6:] in ("q_proj", "k_proj", "v_proj"):
                yield f"{place}{name}.bias", (shape[0],), "zero"
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{place}{name}.weight", (width,), "one"
    yield "model.norm.weight", (width,), "one"
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (vocabulary, width), "normal"


def as_bytes(values, dtype):
    raw = array.array("f", values).tobytes()
    if dtype == "float32":
        return raw
    upper = bytearray(len(raw) // 2)  # the upper half of a float32 is a bfloat16
    upper[0::2], upper[1::2] = raw[2::4], raw[3::4]
    return bytes(upper)


def numbers(dtype, seed, draw):
    generator = random.Random(seed)
    return as_bytes((draw(generator) for _ in range(PERIOD)), dtype)


class Stream:
    """Bytes of one random block without end, in large pieces."""

    def __init__(self, block):
        self.block, self.at = memoryview(block * 8), 0

    def write(self, file, size):
        while size > 0:
            piece = self.block[self.at:self.at + size]
            file.write(piece)
            size -= len(piece)
            self.at = (self.at + len(piece)) % len(self.block)


def write_safetensors(path, tensors, dtype, streams):
    """`tensors`: name, shape and kind; `streams`: what fills a kind."""
    word, width = WIDTHS[dtype]
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _ in tensors:
        begin, end = end, end + math.prod(shape) * width
        header[name] = {"dtype": word, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape, kind in tensors:
            streams[kind].write(file, math.prod(shape) * width)


def constant(value, dtype):
    return Stream(as_bytes([value], dtype) * 8192)


def model_bytes(config, dtype):
    return sum(math.prod(shape) for _, shape, _ in tensors_of(config)) * WIDTHS[dtype][1]


def write_model(folder, config, dtype, seed):
    """config.json and model.safetensors; a folder that is complete stays as it is."""
    folder = Path(folder)
    if (folder / "config.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    deviation = config["initializer_range"]
    streams = {"normal": Stream(numbers(dtype, seed, lambda generator: generator.gauss(0.0, deviation))),
               "one": constant(1.0, dtype), "zero": constant(0.0, dtype)}
    write_safetensors(folder / "model.safetensors", list(tensors_of(config)), dtype, streams)
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": dtype}, indent=1))


def write_adapter(folder, config, rank, seed):
    """A fresh LoRA on all linears as PEFT makes it: A uniform by its width, B zero; alpha is twice the rank."""
    folder = Path(folder)
    if (folder / "adapter_config.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    tensors, streams = [], {"zero": constant(0.0, "float32")}
    for layer in range(config["num_hidden_layers"]):
        for name, (rows, columns) in linears_of(config).items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            tensors.append((f"{place}.lora_A.weight", (rank, columns), columns))
            tensors.append((f"{place}.lora_B.weight", (rows, rank), "zero"))
            if columns not in streams:
                bound = 1 / math.sqrt(columns)
                streams[columns] = Stream(numbers("float32", seed + columns,
                                                  lambda generator: generator.uniform(-bound, bound)))
    write_safetensors(folder / "adapter_model.safetensors", tensors, "float32", streams)
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank, "lora_dropout": 0.0,
        "target_modules": [name.split(".")[1] for name in linears_of(config)], "bias": "none", "fan_in_fan_out": False,
        "inference_mode": True, "base_model_name_or_path": None}, indent=1))
