#!/usr/bin/env python3
"""Trains one recipe and writes what was measured: a Markdown page with a table and the loss curve as SVG.

    benchmarks/run_recipe.py build/release/slmtune recipes/bench/gsm8k.yaml benchmarks/results/gsm8k-cpu \
        --set 'data.train=[{path: DIR/train.jsonl}]' --set 'data.valid={path: DIR/test.jsonl}'

Needs Python 3.11 and nothing else. Exit status 77 when the recipe's data are absent.
"""
import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def smoothed(values, window=10):
    """Mean of the last `window` values at each place."""
    return [sum(values[max(0, i - window + 1):i + 1]) / min(i + 1, window) for i in range(len(values))]


def svg_curve(steps, losses, width=720, height=300) -> str:
    low, high = min(losses), max(losses)
    span = (high - low) or 1.0

    def points(values):
        return " ".join(
            f"{50 + (width - 70) * step / max(steps[-1], 1):.1f},{20 + (height - 60) * (high - value) / span:.1f}"
            for step, value in zip(steps, values))

    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="white"/>
<polyline points="{points(losses)}" fill="none" stroke="#9ecae1"/>
<polyline points="{points(smoothed(losses))}" fill="none" stroke="#08519c" stroke-width="2"/>
<text x="6" y="24">{high:.2f}</text><text x="6" y="{height - 38}">{low:.2f}</text>
<text x="50" y="{height - 14}">step 0</text><text x="{width - 20}" y="{height - 14}" text-anchor="end">step {steps[-1]}</text>
<text x="{width / 2}" y="14" text-anchor="middle">training loss (light: each step, dark: mean of 10)</text>
</svg>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("recipe")
    parser.add_argument("out", help="path without suffix: .md and .svg are written")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()

    settings = [part for setting in options.set for part in ("--set", setting)]
    command = [options.program, "train", options.recipe, "--json", "--resume", "never", *settings]
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode == 66:
        print("skipped: the recipe's data or base model are absent")
        return 77
    if done.returncode != 0:
        return done.returncode
    wall = time.monotonic() - started

    result = json.loads(done.stdout)
    run = Path(result["run_path"])
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    train = [record for record in records if "loss" in record]
    valid = [record for record in records if "valid_loss" in record]
    steps, losses = [r["step"] for r in train], [r["loss"] for r in train]
    speeds = sorted(r["tokens_per_second"] for r in train)
    summary = json.loads((run / "summary.json").read_text())

    out = Path(options.out)
    out.with_suffix(".svg").write_text(svg_curve(steps, losses))
    rows = [
        ("processor", f"{processor()}, {len(os.sched_getaffinity(0))} cores"),
        ("steps", str(steps[-1])),
        ("training loss, first 10 and last 10 steps",
         f"{sum(losses[:10]) / len(losses[:10]):.4f} → {sum(losses[-10:]) / len(losses[-10:]):.4f}"),
        ("validation loss", " → ".join(f"{r['valid_loss']:.4f}" for r in valid) or "not measured"),
        ("tokens per second, median of the steps (10 % – 90 %)",
         f"{speeds[len(speeds) // 2]:.0f} ({speeds[len(speeds) // 10]:.0f} – {speeds[len(speeds) * 9 // 10]:.0f})"),
        ("peak memory of the process", f"{summary['peak_memory_bytes'] / 2**30:.2f} GiB"),
        ("wall time", f"{wall:.0f} s"),
    ]
    # Settings that only say where the data lie are nobody's business; all others belong to the measurement.
    told = [s for s in options.set if not s.startswith("data.")]
    shown = shlex.join(["slmtune", "train", options.recipe, *(part for s in told for part in ("--set", s))])
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    out.with_suffix(".md").write_text(
        f"# {Path(options.recipe).stem} on the CPU\n\n`{shown}`, written by `benchmarks/run_recipe.py`.\n\n"
        f"| what | measured |\n|---|---|\n{table}\n\n![training loss]({out.name}.svg)\n")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
