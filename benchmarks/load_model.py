#!/usr/bin/env python3
"""Measures how long a model takes from the start of the program to its first token, and the memory that needs.

    benchmarks/load_model.py build/release/slmtune benchmarks/results/load-cpu.md

Writes a folder with random bfloat16 weights of Qwen2.5-1.5B's shape (3.1 GB), reads it once so that the file is in the
page cache, runs `slmtune generate` three times and deletes the folder. Needs Python 3.11 and nothing else.
"""
import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TOKENIZER = REPOSITORY / "configs" / "models" / "tiny"
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 1536, "intermediate_size": 8960,
    "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True,
    "hidden_act": "silu", "torch_dtype": "bfloat16", "eos_token_id": 2, "use_sliding_window": False}
RUNS = 3


def tensors(config):
    """Name and shape of every tensor, in the order of the file."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", [config["vocab_size"], width]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in (("q", width), ("k", keys), ("v", keys)):
            yield f"{prefix}self_attn.{name}_proj.weight", [rows, width]
            yield f"{prefix}self_attn.{name}_proj.bias", [rows]
        yield prefix + "self_attn.o_proj.weight", [width, width]
        yield prefix + "mlp.gate_proj.weight", [inner, width]
        yield prefix + "mlp.up_proj.weight", [inner, width]
        yield prefix + "mlp.down_proj.weight", [width, inner]
        yield prefix + "input_layernorm.weight", [width]
        yield prefix + "post_attention_layernorm.weight", [width]
    yield "model.norm.weight", [width]


def random_block(size=16 << 20):
    """Bytes of bfloat16 numbers of either sign between 0.008 and 0.12."""
    block = bytearray(os.urandom(size))
    high = bytes((0x3C, 0x3D, 0xBC, 0xBD)[i % 4] for i in range(256))
    block[1::2] = bytes(block[1::2]).translate(high)
    return bytes(block)


def write_model(folder, config=CONFIG):
    """Returns the bytes of the weight file."""
    header, place = {}, 0
    for name, shape in tensors(config):
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    block, left = random_block(), place
    with open(folder / "model.safetensors", "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        while left > 0:
            out.write(block[:left])
            left -= min(left, len(block))
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TOKENIZER / name, folder / name)
    return 8 + len(text) + place


def measured(program, folder, log):
    """Wall seconds and peak memory of one run up to its first token."""
    command = [program, "generate", str(folder), "--raw", "--prompt", "Hello", "--greedy", "--max-tokens", "1",
               "--device", "cpu", "--dtype", "bfloat16"]
    start = time.monotonic()
    pid = os.posix_spawn(program, command, os.environ,
                         file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"'{' '.join(command)}' failed: {Path(log.name).read_text()[-2000:]}")
    return seconds, usage.ru_maxrss * 1024


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("out", help="Markdown file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, open(Path(place) / "log", "w+") as log:
        folder = Path(place) / "model"
        folder.mkdir()
        size = write_model(folder)
        measured(options.program, folder, log)  # warms the page cache
        runs = [measured(options.program, folder, log) for _ in range(RUNS)]
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    Path(options.out).write_text(f"""# Loading a 1.5B model on the CPU

`benchmarks/load_model.py`: random bfloat16 weights of Qwen2.5-1.5B's shape, file in the page cache, {RUNS} runs of
`slmtune generate --raw --max-tokens 1 --dtype bfloat16`.

| what | measured |
|---|---|
| processor | {processor()}, {os.cpu_count()} cores |
| weight file | {size / 1e6:.0f} MB |
| start of the program to the first token, best of {RUNS} | {seconds:.2f} s |
| all runs | {', '.join(f'{run[0]:.2f} s' for run in runs)} |
| peak memory of the process, largest of {RUNS} | {peak / 1e6:.0f} MB |
| peak memory beyond the file's size | {(peak - size) / 1e6:.0f} MB |
""")
    print(Path(options.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
