#!/usr/bin/env python3
"""Trains the same LoRA with slmtune and with transformers and PEFT, in turn, and compares speed, memory and losses.

    .deps/venv/bin/python benchmarks/compare_training.py build/release/slmtune --gsm8k DIR
    benchmarks/compare_training.py build/release/slmtune --shape llama-40m --batch 1x512 --dtype float32 --repeats 3
    benchmarks/compare_training.py build/release/slmtune --sides slmtune-nf4,slmtune --model DIR --batch gsm8k-8 --gsm8k DIR

Same machine, weights (random, from a seed), rows and their order, initial adapter and settings on all sides; a run of each
side after the other, several times. Losses are compared first: where they differ, no speed is told. Every finished run is
kept in OUT.jsonl at once, so that a later call goes on from there; OUT.md is the table. `peer-tuned` is the peer with
an allocator that keeps its memory (glibc's tunables); `slmtune-nf4` and `slmtune-int8` are compared with slmtune itself.

Exit status: 0, 1 when losses differ, 77 when the peer's packages are absent. slmtune itself needs no Python; this script
needs that of scripts/setup.sh --tests.
"""
import argparse
import importlib.util
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import training_cases as cases
from training_bench import REPOSITORY, Bench, RunFailed, batches, chosen, say
from training_report import describe, print_case, write_report

SIDES = ("slmtune", "peer", "peer-tuned", "slmtune-nf4", "slmtune-int8")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Lists are separated by commas.")
    parser.add_argument("program", help="slmtune, built by the preset release")
    parser.add_argument("--shape", default="all", help=f"of {', '.join(cases.CPU_SHAPES)} (default: all)")
    parser.add_argument("--batch", default=",".join(cases.CPU_BATCHES), help="rows x tokens of a step, or gsm8k-ROWS "
                        "(default: %(default)s)")
    parser.add_argument("--dtype", default="float32,bfloat16")
    parser.add_argument("--sides", default="slmtune,peer,peer-tuned", help=f"of {', '.join(SIDES)}; the first is compared "
                        "with each other one (default: slmtune,peer,peer-tuned)")
    parser.add_argument("--objective", default="sft", choices=["sft", "dpo"], help="dpo: pairs made of gsm8k, against trl")
    parser.add_argument("--model", help="folder of a model instead of random weights; --shape is only a name then")
    parser.add_argument("--gsm8k", help="folder with train.jsonl of gsm8k; without it the batches of text are left out")
    parser.add_argument("--steps", type=int, default=40, help="of a run (default: 40)")
    parser.add_argument("--warmup", type=int, default=10, help="first steps that do not count (default: 10)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side (default: 5)")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--work", default=str(REPOSITORY / "build" / "bench"), help="models and rows are kept here")
    parser.add_argument("--out", default=str(REPOSITORY / "benchmarks" / "results" / "compare-training"))
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    parser.add_argument("--no-rate", dest="rate", action="store_const", const="none", default="measure",
                        help="do not measure the machine's matrix rate")
    parser.add_argument("--no-gate", dest="gate", action="store_false", help="tell speeds though losses differ")
    parser.set_defaults(run_seconds=None)
    return parser.parse_args()


def main():
    options = parse()
    sides = chosen(options.sides, SIDES, "side")
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft")):
        print("skipped: torch, transformers and peft are needed; run scripts/setup.sh --tests")
        return 77
    bench = Bench(options)
    results, equal = [], True
    for shape in chosen(options.shape, cases.CPU_SHAPES, "shape"):
        for batch in batches(options.batch):
            is_text = cases.batch_of(batch)[1] is None
            if is_text and not options.gsm8k:
                say(f"{shape}, {batch}: left out, no --gsm8k")
                continue
            if options.objective == "dpo" and not is_text:
                say(f"{shape}, {batch}: left out, pairs are text")
                continue
            for dtype in chosen(options.dtype, ("float32", "bfloat16"), "number type"):
                case = cases.Case(shape, batch, dtype, options.steps, options.warmup, options.rank,
                                  objective=options.objective)
                same = bench.compare(case, sides)
                equal = equal and same
                if same or not options.gate:
                    results.append(describe(case, bench.runs(case, sides)))
                    if not options.json:
                        print_case(results[-1])
                    write_report(bench.out.with_suffix(".md"), results, options)
    if options.json:
        print(json.dumps({"schema": 1, "equal": equal, "cases": results}))
    return 0 if equal else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunFailed as failure:
        sys.exit(str(failure))
