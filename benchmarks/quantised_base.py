#!/usr/bin/env python3
"""Measures the memory of a base that is quantised while it is loaded, and how long loading takes.

    benchmarks/quantised_base.py build/release/slmtune benchmarks/results/quantised-base-cpu.md

Writes a folder with random bfloat16 weights of Qwen2.5-0.5B's shape (1 GB), starts `slmtune train` with each weight
format, reads the process's memory when base and adapter are loaded, and ends it. Bytes per weight are those of the
linears: what a format takes besides is what the same model takes without quantisation, less two bytes a weight.
Needs Python 3.11 and nothing else.
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from load_model import CONFIG, processor, tensors, write_model

SHAPE = {**CONFIG, "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
         "num_key_value_heads": 2}
FORMATS = ("none", "nf4", "int8")
BFLOAT16_BYTES = 2


def recipe(folder, store, quant):
    return json.dumps({
        "name": "memory", "store": str(store), "method": "lora",
        "model": {"path": str(folder), "quant": quant, "dtype": "bfloat16", "device": "cpu"},
        "lora": {"rank": 1, "alpha": 1, "targets": ["q_proj"]},
        "data": {"train": [{"path": str(folder / "rows.jsonl")}], "format": "tokens"},
        "train": {"epochs": 1, "max_steps": 1}})


def anonymous_bytes(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def loaded(program, folder, quant):
    """Memory that is the process's own and seconds since its start, when base and adapter are there."""
    path = folder / f"{quant}.yaml"
    path.write_text(recipe(folder, folder / f"store-{quant}", quant))
    started = time.monotonic()
    process = subprocess.Popen([program, "train", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if "model:" in line:
            result = anonymous_bytes(process), time.monotonic() - started
            process.kill()
            process.communicate()
            return result
    sys.exit(f"'{program} train' ended before the model was loaded:\n{said[-2000:]}")


def measure(program, folder, config=SHAPE, formats=FORMATS):
    """By format: bytes per weight of the linears, memory of the process, seconds until it is loaded."""
    write_model(folder, config)
    rows = [{"input_ids": list(range(5 + i, 25 + i))} for i in range(16)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    weights = sum(math.prod(shape) for name, shape in tensors(config) if "_proj.weight" in name)
    found = {quant: loaded(program, folder, quant) for quant in formats}
    dense = found["none"][0]
    return {quant: {"bytes_per_weight": BFLOAT16_BYTES + (memory - dense) / weights, "memory": memory, "seconds": seconds}
            for quant, (memory, seconds) in found.items()}, weights


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("out", help="Markdown file to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found, weights = measure(options.program, Path(place))
    rows = "\n".join(f"| {quant} | {f['bytes_per_weight']:.3f} | {f['memory'] / 1e6:.0f} MB | {f['seconds']:.2f} s |"
                     for quant, f in found.items())
    Path(options.out).write_text(f"""# Memory of a quantised base

`benchmarks/quantised_base.py`: random bfloat16 weights of Qwen2.5-0.5B's shape, {weights / 1e6:.0f} million in linears,
`model.dtype: bfloat16`, {processor()}.

| model.quant | bytes per weight of the linears | memory of the process, loaded | start to loaded |
|---|---|---|---|
{rows}
""")
    print(Path(options.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
