#!/usr/bin/env python3
"""Speed and memory of slmtune on a GPU: LoRA and QLoRA of published shapes with random weights. Needs no packages.

    benchmarks/gpu_training.py build/cuda/slmtune
    benchmarks/gpu_training.py build/cuda/slmtune --shape qwen2.5-1.5b --method qlora --kernels kernels.json
    benchmarks/gpu_training.py build/cuda/slmtune --memory-gib 24 --shape qwen2.5-14b --batch 1x4096

One line a setting: tokens per second over the counted steps, the most memory that the card gave away, seconds to the first
step, and the share of the card's rate for products (`--kernels`: the file of gpu_kernels --json) that this makes: MFU,
nothing that is computed twice counts. A second table holds slmtune's own plan against what came: memory is meant to be within
5 %, time within 20 %. A setting that fails is told with its reason, and the next one is run.

Exit status: 0, 1 when a setting failed. `--dry-run` runs a tiny shape on the CPU, to try the way through.
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import training_cases as cases
from training_bench import REPOSITORY, Bench, RunFailed, batches, chosen, say
from training_report import SIDE_HEADS, describe, side_row, table

GPU_SHAPES = ("qwen2.5-1.5b", "llama3.1-8b", "qwen2.5-7b", "qwen2.5-14b")


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Lists are separated by commas.")
    parser.add_argument("program", help="slmtune, built by the preset cuda")
    parser.add_argument("--shape", default="all", help=f"of {', '.join(GPU_SHAPES)} (default: all)")
    parser.add_argument("--method", default="qlora,lora", help="qlora: a base of 4 bits (default: qlora,lora)")
    parser.add_argument("--batch", default="2x2048", help="rows x tokens of a step (default: 2x2048)")
    parser.add_argument("--memory-gib", type=float, default=0.0, help="use no more of the card (default: all of it)")
    parser.add_argument("--steps", type=int, default=40, help="of a run (default: 40)")
    parser.add_argument("--warmup", type=int, default=10, help="first steps that do not count (default: 10)")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--seconds", type=float, help="no setting is begun after this time, none runs longer")
    parser.add_argument("--kernels", help="result of gpu_kernels --json, for the card's rate")
    parser.add_argument("--work", default=str(REPOSITORY / "build" / "bench"), help="weights and rows are made here")
    parser.add_argument("--keep-weights", action="store_true", help="leave the weights of a shape (2 bytes a parameter)")
    parser.add_argument("--out", default=str(REPOSITORY / "build" / "bench" / "gpu-training"))
    parser.add_argument("--dry-run", action="store_true", help="a tiny shape on the CPU")
    parser.set_defaults(model=None, gsm8k=None, repeats=1, gate=True, rate="none", run_seconds=None)
    options = parser.parse_args(words)
    if options.kernels and Path(options.kernels).exists():
        options.rate = json.loads(Path(options.kernels).read_text())["bf16_operations_per_second"]
    return options


def settings(options):
    shapes = ["llama-tiny"] if options.dry_run else chosen(options.shape, GPU_SHAPES, "shape")
    for shape in shapes:
        for method in chosen(options.method, cases.METHODS, "method"):
            for batch in batches("1x64" if options.dry_run else options.batch):
                yield shape, cases.Case(shape, batch, "bfloat16", options.steps, options.warmup, options.rank,
                                        learning_rate=2e-4, device="cpu" if options.dry_run else "cuda",
                                        base=cases.METHODS[method], memory_gib=options.memory_gib)


def reason(failure):
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    told = [line for line in lines if "error" in line.lower()]
    return (told or lines)[-1][:200]


PLAN_HEADS = ("setting", "planned GiB", "used GiB", "off", "planned tokens/s", "tokens/s", "off")


def plan_row(title, records):
    """What slmtune foresaw before its first step, beside what came of it; of the last run."""
    plan, speed = records[-1]["plan"], records[-1]["tokens_per_second"]

    def off(planned, came):
        return f"{100 * (planned / came - 1):+.0f} %" if planned and came else "–"

    def gib(count):
        return f"{count / 2**30:.2f}" if count else "–"
    foreseen = plan["tokens_per_second"]
    return (title, gib(plan["bytes"]), gib(plan["used_bytes"]), off(plan["bytes"], plan["used_bytes"]),
            f"{foreseen:.0f}" if foreseen else "–", f"{speed:.0f}", off(foreseen, speed))


def main():
    options = parse()
    bench = Bench(options)
    started, results, plans, failures, last = time.monotonic(), [], [], [], None
    for shape, case in settings(options):
        if options.seconds is not None:
            options.run_seconds = options.seconds - (time.monotonic() - started)
            if options.run_seconds < 1:
                failures.append((case.title(), "no time left"))
                continue
        if last and last.shape != shape and not options.keep_weights:
            bench.forget_model(last)
        last = case
        try:
            bench.compare(case, ["slmtune"])
            results.append(describe(case, bench.runs(case, ["slmtune"])))
            plans.append(plan_row(case.title(), bench.runs(case, ["slmtune"])["slmtune"]))
            say(" · ".join(side_row(results[-1], "slmtune")))
        except RunFailed as failure:
            failures.append((case.title(), reason(failure)))
            say(f"{case.title()}: {reason(failure)}")
    if last and not options.keep_weights:
        bench.forget_model(last)
    print(table(SIDE_HEADS, [side_row(result, "slmtune") for result in results]))
    print("\n" + table(PLAN_HEADS, plans))
    for title, why in failures:
        print(f"\n{title}: failed: {why}")
    bench.out.parent.mkdir(parents=True, exist_ok=True)
    bench.out.with_suffix(".json").write_text(json.dumps(
        {"schema": 1, "cases": results, "failures": [{"title": t, "reason": w} for t, w in failures]}, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
