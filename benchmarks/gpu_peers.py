#!/usr/bin/env python3
"""slmtune, Hugging Face (transformers + PEFT + bitsandbytes) and Unsloth on one GPU, in turn, after their losses agreed.

    PYTHON benchmarks/gpu_peers.py build/cuda/slmtune
    PYTHON benchmarks/gpu_peers.py build/cuda/slmtune --batch gsm8k-8 --gsm8k DIR --method qlora
    PYTHON benchmarks/gpu_peers.py build/cuda/slmtune --longest 12,24 --shape llama3.1-8b

Same card, weights (random, of published shapes), rows and their order, initial adapter and settings on all sides. The
peers compute every layer twice (gradient checkpointing), as they do by default; slmtune runs as it does by default
(`--recompute auto`) or computes every layer twice, too (`always`). PYTHON has the peers: torch, transformers, peft;
bitsandbytes for QLoRA; Unsloth where it can be imported. A side that is absent or fails is named and left out.

`--longest`: instead of speeds, the longest single row (a multiple of 1,024 tokens) that each side trains on within so many
GiB. Every finished run is kept in OUT.jsonl, so that a later call goes on from there; OUT.md is the table.
Exit status: 0, 1 when losses differ or slmtune failed, 77 when no peer is there. `--dry-run`: a tiny shape on the CPU.
"""
import argparse
import importlib.util
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import training_cases as cases
from gpu_training import reason
from training_bench import REPOSITORY, Bench, RunFailed, batches, chosen, say
from training_report import describe, print_case, table, write_report

PEER_SHAPES = ("qwen2.5-1.5b", "qwen2.5-7b", "llama3.1-8b")
SIDES = {"slmtune": (), "peer": ("torch", "transformers", "peft"), "unsloth": ("torch", "unsloth")}
LONGEST_ROW = 128 * 1024


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Lists are separated by commas.")
    parser.add_argument("program", help="slmtune, built by the preset cuda")
    parser.add_argument("--shape", default="all", help=f"of {', '.join(PEER_SHAPES)} (default: all)")
    parser.add_argument("--method", default="qlora,lora", help="(default: qlora,lora)")
    parser.add_argument("--batch", default="2x2048", help="rows x tokens of a step, or gsm8k-ROWS (default: 2x2048)")
    parser.add_argument("--recompute", default="auto", help="of auto, always, for slmtune (default: auto)")
    parser.add_argument("--sides", default=",".join(SIDES), help="(default: %(default)s)")
    parser.add_argument("--memory-gib", type=float, default=0.0, help="use no more of the card (default: all of it)")
    parser.add_argument("--longest", help="GiB, as in 12,24: the longest row within them instead of speeds")
    parser.add_argument("--gsm8k", help="folder with train.jsonl of gsm8k, for the batches of text")
    parser.add_argument("--steps", type=int, default=40, help="of a run (default: 40)")
    parser.add_argument("--warmup", type=int, default=10, help="first steps that do not count (default: 10)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side (default: 5)")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--run-seconds", type=float, default=600, help="no run lasts longer (default: 600)")
    parser.add_argument("--work", default=str(REPOSITORY / "build" / "bench"))
    parser.add_argument("--out", default=str(REPOSITORY / "build" / "bench" / "gpu-peers"))
    parser.add_argument("--no-gate", dest="gate", action="store_false", help="tell speeds though losses differ")
    parser.add_argument("--dry-run", action="store_true", help="a tiny shape on the CPU")
    parser.set_defaults(model=None, rate="none")
    return parser.parse_args()


def present(sides, base):
    """The sides whose packages can be found."""
    found = []
    for side in sides:
        needed = SIDES[side] + (("bitsandbytes",) if base == "nf4" and side != "slmtune" else ())
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            say(f"{side}: left out, {', '.join(missing)} cannot be imported")
        else:
            found.append(side)
    return found


def settings(options):
    shapes = ["llama-tiny"] if options.dry_run else chosen(options.shape, PEER_SHAPES, "shape")
    for shape in shapes:
        for method in chosen(options.method, cases.METHODS, "method"):
            for recompute in chosen(options.recompute, ("auto", "always"), "recompute"):
                for batch in batches("2x64" if options.dry_run else options.batch):
                    yield cases.Case(shape, batch, "bfloat16", options.steps,
                                     options.warmup, options.rank, learning_rate=2e-4,
                                     device="cpu" if options.dry_run else "cuda", base=cases.METHODS[method],
                                     recompute=recompute, memory_gib=options.memory_gib)


def compared(bench, case, sides):
    """The sides that ran, and whether their losses agree; a peer that fails is left out."""
    while True:
        try:
            return sides, bench.compare(case, sides)
        except RunFailed as failure:
            last = next((s for s in sides if not bench.find(case, s, 0)), sides[0])
            say(f"{case.title()}: {last} failed: {reason(failure)}")
            if last == "slmtune":
                raise
            sides = [side for side in sides if side != last]


def speeds(options, bench):
    results, good = [], True
    for case in settings(options):
        sides = present(options.sides.split(","), case.base)
        if len(sides) < 2:
            continue
        try:
            sides, equal = compared(bench, case, sides)
        except RunFailed:
            good = False
            continue
        good = good and equal
        if equal or not options.gate:
            results.append(describe(case, bench.runs(case, sides)))
            print_case(results[-1])
            write_report(bench.out.with_suffix(".md"), results, options, "gpu_peers.py", "a GPU",
                         "those of all counted steps together")
    return results, good


def fits(bench, case, side):
    try:
        bench.measure(case, side, bench.prepare(case))
        return True
    except RunFailed as failure:
        say(f"{case.title()}, {side}: {reason(failure)}")
        return False


def longest_row(bench, case_of, side, largest=LONGEST_ROW):
    """The longest row that fits, by doubling and halving; 0 when not even 1,024 tokens do."""
    fitting, tried = 0, 1024
    while tried <= largest and fits(bench, case_of(tried), side):
        fitting, tried = tried, 2 * tried
    above = min(tried, largest + 1024)
    while above - fitting > max(1024, fitting // 16):
        middle = (fitting + above) // 2048 * 1024
        fitting, above = (middle, above) if fits(bench, case_of(middle), side) else (fitting, middle)
    return fitting


def contexts(options, bench):
    rows = []
    for gib in map(float, options.longest.split(",")):
        for case in settings(options):
            for side in present(options.sides.split(","), case.base):
                def case_of(tokens, case=case, gib=gib):
                    return cases.Case(**{**json.loads(case.key()), "batch": f"1x{tokens}", "memory_gib": gib, "steps": 3,
                                         "warmup": 1})
                rows.append((case.shape, case.base, f"{gib:g}", side, str(longest_row(bench, case_of, side))))
                say(" · ".join(rows[-1]))
    text = table(("shape", "base", "GiB", "side", "longest row, tokens"), rows)
    bench.out.with_suffix(".longest.md").write_text(text + "\n")
    print(text)


def main():
    options = parse()
    chosen(options.sides, SIDES, "side")
    bench = Bench(options)
    bench.out.parent.mkdir(parents=True, exist_ok=True)
    if len(present(options.sides.split(","), "none")) < 2:
        print("skipped: no peer is there; torch, transformers and peft are needed")
        return 77
    if options.longest:
        contexts(options, bench)
        return 0
    results, good = speeds(options, bench)
    bench.out.with_suffix(".json").write_text(json.dumps({"schema": 1, "equal": good, "cases": results}, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
