#!/usr/bin/env python3
"""Measures the memory of a base that is quantised while it is loaded, and how long loading takes.

    benchmarks/quantised_base.py build/release/slmtune benchmarks/results/quantised-base-cpu.md
    benchmarks/quantised_base.py build/release/slmtune out.md --shape llama-40m --shape qwen2-0.5b

Writes a folder with random bfloat16 weights of each shape (Qwen2.5-0.5B's: 1 GB), starts `slmtune train` with each weight
format, reads the process's memory when base and adapter are loaded, and ends it. The base without quantisation is what its
values take in `model.dtype`; the others are that less what the system counts less for the process. Bytes per weight are
those of the linears: the tables of embedding and head stay in the file's 16 bits beside fewer.
Needs Python 3.11 and nothing else.
"""
import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import training_cases as cases
from load_model import TOKENIZER, processor
from random_model import tensors_of, write_model

FORMATS = ("none", "nf4", "int8")
FILE_BYTES, SEED = 2, 11
VALUE_BYTES = {"float32": 4, "bfloat16": 2}


def recipe(folder, store, quant, dtype):
    return json.dumps({
        "name": "memory", "store": str(store), "method": "lora",
        "model": {"path": str(folder), "quant": quant, "dtype": dtype, "device": "cpu"},
        "lora": {"rank": 1, "alpha": 1, "targets": ["q_proj"]},
        "data": {"train": [{"path": str(folder / "rows.jsonl")}], "format": "tokens"},
        "train": {"epochs": 1, "max_steps": 1}})


def anonymous_bytes(process):
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def loaded(program, folder, quant, dtype):
    """Memory that is the process's own and seconds since its start, when base and adapter are there."""
    path = folder / f"{quant}.yaml"
    path.write_text(recipe(folder, folder / f"store-{quant}", quant, dtype))
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


def measure(program, folder, config, dtype="float32", formats=FORMATS):
    """By format: bytes per weight of the linears, of the whole base, and of the process; seconds until it is loaded. And the
    number of weights in linears."""
    write_model(folder, config, "bfloat16", SEED)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(TOKENIZER / name, folder / name)
    rows = [{"input_ids": list(range(5 + i, 25 + i))} for i in range(16)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {name: math.prod(shape) for name, shape, _ in tensors_of(config)}
    weights = sum(count for name, count in values.items() if "_proj.weight" in name)
    tables = sum(values.get(name, 0) for name in ("model.embed_tokens.weight", "lm_head.weight"))
    width = VALUE_BYTES[dtype]
    found = {}
    for quant in formats:
        memory, seconds = loaded(program, folder, quant, dtype)
        base = width * sum(values.values()) + memory - (found["none"]["memory"] if found else memory)
        others = width * (sum(values.values()) - weights) - (tables * (width - FILE_BYTES) if found else 0)
        found[quant] = {"bytes_per_weight": (base - others) / weights, "base": base, "memory": memory, "seconds": seconds}
    return found, weights


def section(program, shape, dtype):
    with tempfile.TemporaryDirectory() as place:
        found, weights = measure(program, Path(place), cases.config_of(shape, "bfloat16"), dtype)
    rows = "\n".join(f"| {quant} | {f['bytes_per_weight']:.3f} | {f['base'] / 1e6:.0f} MB | {f['base'] / found['none']['base']:.2f} "
                     f"| {f['memory'] / 1e6:.0f} MB | {f['seconds']:.2f} s |" for quant, f in found.items())
    return f"""{shape}, {weights / 1e6:.0f} million weights in linears, `model.dtype: {dtype}`:

| model.quant | bytes per weight of the linears | base | of `none` | memory of the process, loaded | start to loaded |
|---|---|---|---|---|---|
{rows}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("out", help="Markdown file to write")
    parser.add_argument("--shape", action="append", choices=sorted(cases.SHAPES), help="may be repeated; default: qwen2-0.5b")
    parser.add_argument("--dtype", choices=sorted(VALUE_BYTES), default="float32")
    options = parser.parse_args()
    sections = [section(options.program, shape, options.dtype) for shape in options.shape or ["qwen2-0.5b"]]
    text = "\n".join(sections)
    Path(options.out).write_text(f"""# Memory of a quantised base

`benchmarks/quantised_base.py`: random bfloat16 weights, {processor()}. The base as the system counts it; embedding and
head, which are not quantised, are part of it.

{text}""")
    print(Path(options.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
