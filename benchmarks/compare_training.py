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
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import training_cases as cases
from training_report import compare_losses, describe, print_case, write_report

REPOSITORY = Path(__file__).resolve().parents[1]
PEER = Path(__file__).resolve().parent / "training_peer.py"
SIDES = ("slmtune", "peer", "peer-tuned", "slmtune-nf4", "slmtune-int8")
# Blocks of any size stay in the process, in huge pages.
TUNED = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736:glibc.malloc.top_pad=67108864:glibc.malloc.hugetlb=1"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.program = str(Path(options.program).resolve())
        self.work = Path(options.work)
        self.out = Path(options.out)
        self.threads = len(os.sched_getaffinity(0))
        digest = hashlib.sha256(Path(self.program).read_bytes())
        for library in sorted(Path(self.program).parent.glob("*.so")):
            digest.update(library.read_bytes())
        self.version = digest.hexdigest()[:12]
        self.records = []
        if self.out.with_suffix(".jsonl").exists():
            lines = self.out.with_suffix(".jsonl").read_text().splitlines()
            self.records = [json.loads(line) for line in lines if line.endswith("}")]

    def keep(self, record):
        self.records.append(record)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with open(self.out.with_suffix(".jsonl"), "a") as file:
            file.write(json.dumps(record) + "\n")

    def find(self, case, side, repeat):
        """A run of these settings from an earlier call; a peer's run is as good for another build of the program."""
        for record in self.records:
            same = (record.get("case"), record.get("side"), record.get("repeat")) == (case.key(), side, repeat)
            if same and record["model"] == (self.options.model or "") and \
                    (side.startswith("peer") or record["version"] == self.version):
                return record
        return None

    # What the sides need.

    def peer(self, command, job, environment=None, on_line=lambda line: None):
        path = self.work / "job.json"
        path.write_text(json.dumps({"threads": self.threads, **job}))
        lines, usage = self.run([sys.executable, str(PEER), command, str(path)], environment, on_line)
        return [json.loads(line) for line in lines if line.startswith('{"')], usage  # trainers print, too

    def run(self, command, environment=None, on_line=lambda line: None, on_error_line=lambda process, line: None):
        """Standard output's lines, and seconds and peak memory of the process."""
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **(environment or {})})
        errors = []

        def read_errors():
            for line in process.stderr:
                on_error_line(process, line)
                errors.append(line)
        reader = threading.Thread(target=read_errors)
        reader.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            on_line(line)
        reader.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"'{' '.join(command)}' ended with {process.returncode}:\n{''.join(errors)[-3000:]}")
        return lines, {"wall_seconds": time.monotonic() - started, "peak_bytes": usage.ru_maxrss * 1024,
                       "started": started}

    def prepare(self, case):
        """Folders of model, adapter and rows; the parts that are there already stay."""
        place = self.work / case.folder()
        place.mkdir(parents=True, exist_ok=True)
        model = Path(self.options.model) if self.options.model else self.work / f"{case.shape}-{case.dtype}"
        config = json.loads((model / "config.json").read_text()) if self.options.model else \
            cases.config_of(case.shape, case.dtype)
        job = {"model": str(model), "adapter": str(place / "adapter"), "dtype": case.dtype, "rank": case.rank,
               "seed": case.seed, "config": config}
        if not (place / "adapter").exists():
            say(f"{case.title()}: making the model")
            self.peer("prepare", job)
        if not self.options.model:
            self.put_tokenizer(model)
        batch_rows, _ = cases.BATCHES[case.batch]
        self.write_rows(case, place, str(model), case.steps * batch_rows)
        return {**job, "rows": str(place / "rows.jsonl"), "batch_rows": batch_rows, "count": case.steps * batch_rows,
                "place": place}

    def write_rows(self, case, place, model, count):
        """rows.jsonl: tokens for all sides; pairs.jsonl: the text of pairs, which the program encodes itself."""
        file, tokens = place / "rows.jsonl", cases.BATCHES[case.batch][1]
        if file.exists():
            return
        if tokens:
            rows = list(cases.random_rows(count, tokens, case.seed))
        else:
            source = Path(self.options.gsm8k) / "train.jsonl"
            texts = cases.problems(source, count)
            if case.objective == "dpo":
                pairs = cases.preferences(source, count)
                cases.write_rows(place / "pairs.jsonl", pairs)
                texts = [(pair["prompt"], pair[side]) for pair in pairs for side in ("chosen", "rejected")]
            rows = cases.encoded(self.program, model, texts, place / "text.jsonl")
        cases.write_rows(file, rows)

    @staticmethod
    def put_tokenizer(model):
        """Mistral's vocabulary of 32,000, whose ids all shapes have."""
        spec = importlib.util.find_spec("mistral_common")
        source = Path(spec.origin).parent / "data" / "tokenizer.model.v1"
        if not (model / "tokenizer.model").exists():
            shutil.copyfile(source, model / "tokenizer.model")

    # The sides.

    def measure(self, case, side, job):
        result = self.peer_run(case, side, job) if side.startswith("peer") else self.program_run(case, side, job)
        steps = [s for s in result["steps"] if s["step"] > case.warmup]
        speeds = sorted(s["tokens"] / s["seconds"] for s in steps)
        result["tokens_per_second"] = speeds[len(speeds) // 2]
        return result

    def peer_run(self, case, side, job):
        order = cases.epoch_order(job["count"], case.seed)
        batches = [order[i:i + job["batch_rows"]] for i in range(0, job["count"], job["batch_rows"])]
        first = []

        def on_line(line):
            if not first and '"step"' in line:
                first.append(time.monotonic())
        environment = {"OMP_NUM_THREADS": str(self.threads)}
        if side == "peer-tuned":
            environment["GLIBC_TUNABLES"] = TUNED
        job = {key: value for key, value in job.items() if key != "place"}
        records, usage = self.peer("train", {**job, "order": batches, "learning_rate": case.learning_rate,
                                           "clip_norm": 1.0, "objective": case.objective,
                                           "autocast": case.dtype == "bfloat16"}, environment, on_line)
        return {"steps": [r for r in records if "step" in r], "wall_seconds": usage["wall_seconds"],
                "peak_bytes": records[-1]["peak_bytes"], "base_bytes": records[0]["base_bytes"],
                "first_step_seconds": first[0] - usage["started"]}

    def recipe(self, case, side, job, store):
        quant = side.removeprefix("slmtune").removeprefix("-") or "none"
        longest = max(len(json.loads(line)["input_ids"]) for line in Path(job["rows"]).read_text().splitlines())
        data = {"train": [{"path": job["rows"]}], "format": "tokens", "max_tokens": longest}
        more = {}
        if case.objective == "dpo":
            data = {"train": [{"path": str(job["place"] / "pairs.jsonl")}], "format": "preference", "max_tokens": longest}
            more = {"beta": 0.1}
        return json.dumps({
            "name": "compare", "store": str(store), "method": "lora", "objective": case.objective,
            "model": {"path": job["model"], "adapter": job["adapter"], "dtype": case.dtype, "device": "cpu", "quant": quant},
            "data": data,
            "train": {"epochs": 1, "batch_rows": job["batch_rows"], "micro_batch_tokens": max(2048, longest),
                      "learning_rate": case.learning_rate, "schedule": "constant", "warmup": 0, "clip_norm": 1.0,
                      "weight_decay": 0.0, "seed": case.seed, "save_minutes": 1000, **more},
            "eval": {"metrics": ["loss"]}}, indent=1)

    def program_run(self, case, side, job):
        store = Path(tempfile.mkdtemp(prefix="store-", dir=job["place"]))
        recipe = store.with_suffix(".yaml")
        recipe.write_text(self.recipe(case, side, job, store))
        seen = {}

        def on_error_line(process, line):
            # Said before anything is loaded, and when base and adapter are in memory but nothing is computed yet.
            for word in ("device:", "model:"):
                if word in line and word not in seen:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    seen[word] = next(int(l.split()[1]) * 1024 for l in status.splitlines() if l.startswith("RssAnon"))
        watcher = FirstLine(store)
        lines, usage = self.run([self.program, "train", str(recipe), "--json"], None, lambda line: None, on_error_line)
        watcher.stop()
        log = [json.loads(line) for line in next(store.glob("runs/*/log.jsonl")).read_text().splitlines()]
        steps = [{"step": r["step"], "loss": r["loss"], "grad_norm": r["grad_norm"], "tokens": r["tokens"],
                  "label_tokens": r["label_tokens"], "seconds": r["tokens"] / r["tokens_per_second"]}
                 for r in log if "tokens_per_second" in r]
        shutil.rmtree(store)
        recipe.unlink()
        return {"steps": steps, "wall_seconds": usage["wall_seconds"], "peak_bytes": usage["peak_bytes"],
                "base_bytes": seen["model:"] - seen["device:"], "first_step_seconds": watcher.at - usage["started"]}

    def rates(self):
        """Operations per second of matrix products here and now, by number type."""
        records, _ = self.peer("rate", {"repeats": 15}, {"OMP_NUM_THREADS": str(self.threads)})
        return {record["dtype"]: record["operations_per_second"] for record in records}

    # The comparison.

    def compare(self, case, sides):
        job = self.prepare(case)
        equal = True
        for repeat in range(self.options.repeats):
            rates = None
            for side in sides:
                if self.find(case, side, repeat):
                    continue
                rates = rates or (self.rates() if not self.options.no_rate else {})
                say(f"{case.title()}: run {repeat + 1} of {self.options.repeats}, {side}")
                self.keep({"case": case.key(), "side": side, "repeat": repeat, "version": self.version,
                           "model": self.options.model or "", "config": job["config"], "rates": rates,
                           "machine": machine(self.threads), **self.measure(case, side, job)})
            runs = {side: self.find(case, side, repeat) for side in sides}
            equal = compare_losses(case, runs, say) and equal
            if not equal and not self.options.no_gate:
                say(f"{case.title()}: the losses differ, so no speed is told")
                return False
        return equal


class FirstLine:
    """Notes when the first step stands in a store's log."""

    def __init__(self, store):
        self.store, self.at, self.stopped = store, None, False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while self.at is None and not self.stopped:
            if any(log.stat().st_size > 0 for log in self.store.glob("runs/*/log.jsonl")):
                self.at = time.monotonic()
            time.sleep(0.005)

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.at = self.at or time.monotonic()


def machine(threads):
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {threads} cores"


def chosen(text, known, what):
    names = list(known) if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            sys.exit(f"{what} '{name}' is not known; choose from {', '.join(known)}")
    return names


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Lists are separated by commas.")
    parser.add_argument("program", help="slmtune, built by the preset release")
    parser.add_argument("--shape", default="all", help=f"of {', '.join(cases.SHAPES)} (default: all)")
    parser.add_argument("--batch", default="all", help=f"of {', '.join(cases.BATCHES)} (default: all)")
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
    parser.add_argument("--no-rate", action="store_true", help="do not measure the machine's matrix rate")
    parser.add_argument("--no-gate", action="store_true", help="tell speeds though losses differ")
    return parser.parse_args()


def main():
    options = parse()
    sides = chosen(options.sides, SIDES, "side")
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "peft")):
        print("skipped: torch, transformers and peft are needed; run scripts/setup.sh --tests")
        return 77
    bench = Bench(options)
    bench.work.mkdir(parents=True, exist_ok=True)
    results, equal = [], True
    for shape in chosen(options.shape, cases.SHAPES, "shape"):
        for batch in chosen(options.batch, cases.BATCHES, "batch"):
            is_text = cases.BATCHES[batch][1] is None
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
                if same or options.no_gate:
                    runs = {side: [bench.find(case, side, i) for i in range(options.repeats)] for side in sides}
                    results.append(describe(case, runs))
                    if not options.json:
                        print_case(results[-1])
                    write_report(bench.out.with_suffix(".md"), results, options)
    if options.json:
        print(json.dumps({"schema": 1, "equal": equal, "cases": results}))
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
