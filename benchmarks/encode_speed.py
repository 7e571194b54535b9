#!/usr/bin/env python3
"""Measures the GGUF encodings on one core beside ggml's own quantiser, in the same run, and writes a page.

    .deps/venv/bin/python benchmarks/encode_speed.py build/release/benchmarks/encode_benchmark benchmarks/results/encodings-cpu.md

ggml's is the one in the package `xllamacpp` (ggml_quantize_chunk, dequantize_row_*). Both get 256 rows of 4,096 weights, near to
normal, and are measured one after the other for each encoding; each rate is the best of three. Exit status 1 when an encoding is
slower than ggml's, or Q4_K, Q5_K or Q6_K misses its aim: three times the rates that are published for ggml (11, 10 and 22 million
parameters/s a core), and three times those measured here.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from importlib import metadata, util
from pathlib import Path

import numpy as np

ROWS, COLUMNS = 256, 4096
# Name: ggml's number, elements and bytes of a block.
TYPES = {"f16": (1, 1, 2), "bf16": (30, 1, 2), "q8_0": (8, 32, 34), "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22),
         "q5_1": (7, 32, 24), "iq4_nl": (20, 32, 18), "q2_k": (10, 256, 84), "q3_k": (11, 256, 110), "q4_k": (12, 256, 144),
         "q5_k": (13, 256, 176), "q6_k": (14, 256, 210)}
DECODERS = {"f16": "ggml_fp16_to_fp32_row", "bf16": "ggml_bf16_to_fp32_row"}
AIMS = {"q4_k": 33e6, "q5_k": 30e6, "q6_k": 66e6}


def ggml():
    """The library, and the signature of its quantiser."""
    library = ctypes.CDLL(str(Path(util.find_spec("xllamacpp").origin).parent / "xllamacpp.abi3.so"))
    call = library.ggml_quantize_chunk
    call.restype = ctypes.c_size_t
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    return library


def best_rate(work, seconds=0.2):
    """Parameters per second of processor time, as encode_benchmark counts it: the best of three rounds of `seconds` each."""
    def one_round():
        start, count = time.thread_time(), 0
        while time.thread_time() - start < seconds:
            work()
            count += 1
        return count * ROWS * COLUMNS / (time.thread_time() - start)
    work()
    return max(one_round() for _ in range(3))


def ggml_rates(library, name, weights, importance):
    """By the words of our_rates."""
    number, block, size = TYPES[name]
    blocks, values = np.empty(ROWS * COLUMNS // block * size, np.uint8), np.empty_like(weights)
    encode = lambda given: library.ggml_quantize_chunk(number, weights.ctypes.data, blocks.ctypes.data, 0, ROWS, COLUMNS, given)
    decode = getattr(library, DECODERS.get(name, "dequantize_row_" + name.replace("_k", "_K")))
    decode.restype, decode.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    return {"encode": best_rate(lambda: encode(None)), "encode_importance": best_rate(lambda: encode(importance.ctypes.data)),
            "decode": best_rate(lambda: decode(blocks.ctypes.data, values.ctypes.data, weights.size))}


def our_rates(program, name):
    """Parameters per second by the benchmark's word (encode, encode_importance, decode, encode_avx2, …)."""
    answer = subprocess.run([program, f"--benchmark_filter=/{name}$", "--benchmark_format=json", "--benchmark_min_time=0.2",
                             "--benchmark_repetitions=3"], check=True, capture_output=True, text=True)
    rates = {}
    for row in json.loads(answer.stdout)["benchmarks"]:
        if row["run_type"] == "iteration":
            word = row["run_name"].split("/")[0]
            rates[word] = max(rates.get(word, 0), row["items_per_second"])
    return rates


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def measure(program):
    library, random = ggml(), np.random.default_rng(1)
    weights = (random.standard_normal((ROWS, COLUMNS)) * 0.02).astype(np.float32)
    importance = (0.5 + np.arange(COLUMNS) % 17 * 0.25).astype(np.float32)
    results = {}
    for name in TYPES:
        theirs = ggml_rates(library, name, weights, importance)
        results[name] = our_rates(program, name), theirs
    return results


def page(results, note):
    show = lambda rate: f"{rate / 1e6:,.0f}" if rate >= 1e8 else f"{rate / 1e6:.1f}"
    lines = ["# Rates of the GGUF encodings", "",
             f"`benchmarks/encode_speed.py` on one core of {processor()}: {ROWS} rows of {COLUMNS} weights near to normal, millions of",
             "parameters per second of processor time, each the best of three; ggml's quantiser is that of xllamacpp",
             f"{metadata.version('xllamacpp')}, measured in the same run. `importance`: with weights of an importance matrix.", "",
             "| encoding | ggml | slmtune | times | ggml, importance | slmtune, importance | times | ggml, decoding "
             "| slmtune, decoding | times |",
             "|---" * 10 + "|"]
    for name, (ours, theirs) in results.items():
        cells = [f"{show(rate)} | {show(ours[word])} | {ours[word] / rate:.1f}" for word, rate in theirs.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    sets = [word for word in ("plain", "avx2", "avx512") if f"encode_{word}" in results["q4_k"][0]]
    lines += ["", "By instruction set, without importance:", "", "| encoding | " + " | ".join(sets) + " |", "|---" * (1 + len(sets)) + "|"]
    lines += [f"| {name} | " + " | ".join(show(results[name][0][f"encode_{word}"]) for word in sets) + " |" for name in AIMS]
    return "\n".join(lines + (["", note] if note else [])) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built encode_benchmark")
    parser.add_argument("result", type=Path, help="Markdown file to write")
    parser.add_argument("--note", default="", help="a sentence on the machine's state for the end of the page")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results = measure(arguments.program)
    arguments.result.write_text(page(results, arguments.note))
    print(arguments.result.read_text())
    misses = [name for name, (ours, theirs) in results.items()
              if min(ours[word] / theirs[word] for word in ("encode", "encode_importance")) < 1
              or ours["encode"] < (max(AIMS[name], 3 * theirs["encode"]) if name in AIMS else 0)]
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
