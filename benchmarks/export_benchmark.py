#!/usr/bin/env python3
"""Measures how long `slmtune export` takes for a model of 1.5 billion parameters, and the memory that needs.

    benchmarks/export_benchmark.py build/release/slmtune benchmarks/results/export-cpu.md [--encodings q4_k_m,q6_k]

Writes a folder with random bfloat16 weights of Qwen2.5-1.5B's shape (3.1 GB), exports it with all cores and with one,
and deletes both. The folder is in the page cache; the written file is on the disk when the time is taken. Needs
Python 3.11 and nothing else.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from load_model import CONFIG, processor, tensors, write_model


def matrix_parameters(config):
    """Those that an encoding has work with."""
    return sum(shape[0] * shape[1] for _, shape in tensors(config) if len(shape) == 2)


def export(program, folder, encoding, cores, options):
    """Wall seconds, processor seconds, peak memory and bytes of one export on the first `cores`."""
    to = folder / "out" / f"model-{encoding}.gguf"
    to.unlink(missing_ok=True)
    command = [program, "export", str(folder), "--encoding", encoding, "--to", str(to), *options]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores]))
    messages = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}\n{messages}")
    size = to.stat().st_size
    to.unlink()
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("report", type=Path, nargs="?")
    parser.add_argument("--encodings", default="q4_k_m")
    parser.add_argument("--folder", type=Path, help="where 5 GB are free (default: a temporary folder)")
    parser.add_argument("--options", default="--no-verify", help="further options of the export, in one word list")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    parameters = matrix_parameters(CONFIG)
    lines = [f"# Export of {parameters / 1e9:.2f} G parameters in bfloat16 to GGUF", "",
             f"{processor()}, {cores} cores; `slmtune export … {options.options}`", "",
             "| encoding | cores | seconds | M parameters/s | per core | peak memory, GB | file, GB |",
             "|---|---|---|---|---|---|---|"]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        write_model(folder)
        for encoding in options.encodings.split(","):
            for count in sorted({cores, 1}, reverse=True):
                seconds, _, memory, size = export(options.program, folder, encoding, count, options.options.split())
                rate = parameters / seconds / 1e6
                lines.append(f"| {encoding} | {count} | {seconds:.1f} | {rate:.1f} | {rate / count:.1f} | "
                             f"{memory / 1e9:.2f} | {size / 1e9:.2f} |")
                print(lines[-1], flush=True)
    if options.report:
        options.report.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
