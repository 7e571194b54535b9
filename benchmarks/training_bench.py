"""Runs slmtune and its peers on the same settings, in turn, for compare_training.py and the gpu_ scripts. No packages.

Every finished run is kept in OUT.jsonl at once, so that a later call goes on from there.
"""
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import random_model
import training_cases as cases
from training_report import compare_losses

REPOSITORY = Path(__file__).resolve().parents[1]
PEER = Path(__file__).resolve().parent / "training_peer.py"
# Blocks of any size stay in the process, in huge pages.
TUNED = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736:glibc.malloc.top_pad=67108864:glibc.malloc.hugetlb=1"
GIB = 1 << 30
MISTRAL_IDS, TINY_IDS = 32000, 2048
# What slmtune says before a run whose speed it has foreseen.
PLANNED_SPEED = re.compile(r"time: about .*\), (\d+) tokens/s")


class RunFailed(Exception):
    """A side ended with an error; the text is the end of what it wrote."""


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """`options`: program, model, gsm8k, work, out, repeats, rate ("measure", "none" or operations per second), gate,
    run_seconds (of one run, None = no limit)."""

    def __init__(self, options):
        self.options = options
        self.program = str(Path(options.program).resolve())
        self.work = Path(options.work)
        self.out = Path(options.out)
        self.work.mkdir(parents=True, exist_ok=True)
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
                    (not side.startswith("slmtune") or record["version"] == self.version):
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
        errors, card = [], CardMemory()
        limit = threading.Timer(self.options.run_seconds or 1e6, process.kill)
        limit.daemon = True
        limit.start()

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
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        card_bytes = card.stop()
        if process.returncode != 0:
            raise RunFailed(f"'{' '.join(command)}' ended with {process.returncode}:\n{''.join(errors)[-3000:]}")
        return lines, {"wall_seconds": time.monotonic() - started, "peak_bytes": usage.ru_maxrss * 1024,
                       "card_bytes": card_bytes, "started": started}

    def prepare(self, case):
        """Folders of model, adapter and rows; the parts that are there already stay."""
        place = self.work / case.folder()
        place.mkdir(parents=True, exist_ok=True)
        model = Path(self.options.model) if self.options.model else self.work / f"{case.shape}-{case.dtype}"
        config = json.loads((model / "config.json").read_text()) if self.options.model else \
            cases.config_of(case.shape, case.dtype)
        if not self.options.model:
            self.check_disk(model, config, case)
            random_model.write_model(model, config, case.dtype, case.seed)
            self.put_tokenizer(model, case, config)
        random_model.write_adapter(place / "adapter", config, case.rank, case.seed)
        batch_rows, _ = cases.batch_of(case.batch)
        self.write_rows(case, place, str(model), config, case.steps * batch_rows)
        return {"model": str(model), "adapter": str(place / "adapter"), "dtype": case.dtype, "rank": case.rank,
                "seed": case.seed, "config": config, "rows": str(place / "rows.jsonl"), "batch_rows": batch_rows,
                "count": case.steps * batch_rows, "place": place}

    def check_disk(self, model, config, case):
        needed = 0 if (model / "config.json").exists() else random_model.model_bytes(config, case.dtype)
        free = shutil.disk_usage(self.work).free
        if free < needed + 2 * GIB:
            raise RunFailed(f"the weights of {case.shape} need {needed / GIB:.0f} GiB in {self.work}, where "
                            f"{free / GIB:.0f} GiB are free")

    def forget_model(self, case):
        """Removes the random weights: the next shape may need their place."""
        if not self.options.model:
            shutil.rmtree(self.work / f"{case.shape}-{case.dtype}", ignore_errors=True)

    def write_rows(self, case, place, model, config, count):
        """rows.jsonl: tokens for all sides; pairs.jsonl: the text of pairs, which the program encodes itself."""
        file, tokens = place / "rows.jsonl", cases.batch_of(case.batch)[1]
        if file.exists():
            return
        if tokens:
            rows = list(cases.random_rows(count, tokens, case.seed, ids_of(case, config)))
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
    def put_tokenizer(model, case, config):
        """Mistral's vocabulary on the CPU; the quick start's, for which no package is needed, on GPUs and small shapes."""
        if ids_of(case, config) == MISTRAL_IDS:
            spec = importlib.util.find_spec("mistral_common")
            source, name = Path(spec.origin).parent / "data" / "tokenizer.model.v1", "tokenizer.model"
        else:
            source, name = REPOSITORY / "configs" / "models" / "tiny" / "tokenizer.json", "tokenizer.json"
        if not (model / name).exists():
            shutil.copyfile(source, model / name)

    # The sides.

    def measure(self, case, side, job):
        result = self.program_run(case, side, job) if side.startswith("slmtune") else self.peer_run(case, side, job)
        result["tokens_per_second"] = speed(case, result["steps"])
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
                                           "clip_norm": 1.0, "objective": case.objective, "device": case.device,
                                           "base": case.base, "side": side, "memory_gib": case.memory_gib,
                                           "autocast": case.dtype == "bfloat16"}, environment, on_line)
        return {"steps": [r for r in records if "step" in r], "wall_seconds": usage["wall_seconds"],
                "peak_bytes": usage["card_bytes"] or records[-1]["peak_bytes"], "base_bytes": records[0]["base_bytes"],
                "allocator_bytes": records[-1].get("allocator_bytes"), "first_step_seconds": first[0] - usage["started"]}

    def recipe(self, case, side, job, store):
        """`slmtune-nf4`: with a base of its own storage, for comparisons with itself."""
        quant = side.removeprefix("slmtune").removeprefix("-") or case.base
        lengths = [len(json.loads(line)["input_ids"]) for line in Path(job["rows"]).read_text().splitlines()]
        data = {"train": [{"path": job["rows"]}], "format": "tokens", "max_tokens": max(lengths)}
        more = {"recompute": "all"} if case.recompute == "always" else {}
        if case.objective == "dpo":
            data = {"train": [{"path": str(job["place"] / "pairs.jsonl")}], "format": "preference",
                    "max_tokens": max(lengths)}
            more = {"beta": 0.1}
        # On a GPU a step is one micro-batch, as the peers have it.
        budget = max(2048, max(lengths)) if case.device == "cpu" else job["batch_rows"] * max(lengths)
        return json.dumps({
            "name": "compare", "store": str(store), "method": "lora", "objective": case.objective,
            "model": {"path": job["model"], "adapter": job["adapter"], "dtype": case.dtype, "device": case.device,
                      "quant": quant},
            "data": data,
            "train": {"epochs": 1, "batch_rows": job["batch_rows"], "micro_batch_tokens": budget,
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
            if found := PLANNED_SPEED.search(line):
                seen["tokens/s"] = float(found[1])
            for word in ("device:", "model:"):
                if word in line and word not in seen:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    seen[word] = next(int(l.split()[1]) * 1024 for l in status.splitlines() if l.startswith("RssAnon"))
        watcher = FirstLine(store)
        cap = {"SLMTUNE_GPU_MEMORY_GIB": f"{case.memory_gib:g}"} if case.memory_gib else {}
        try:
            lines, usage = self.run([self.program, "train", str(recipe), "--json"], cap, on_error_line=on_error_line)
            memory = json.loads("".join(lines))["memory"]
            log = [json.loads(line) for line in next(store.glob("runs/*/log.jsonl")).read_text().splitlines()]
        finally:
            watcher.stop()
            shutil.rmtree(store, ignore_errors=True)
            recipe.unlink()
        lines, steps, before = [r for r in log if "tokens_per_second" in r], [], 0.0
        for line in lines:
            # On a GPU the clock runs on while a step is under way: only differences between steps say anything.
            seconds = line["tokens"] / line["tokens_per_second"] if case.device == "cpu" else line["seconds"] - before
            before = line["seconds"]
            steps.append({**{key: line[key] for key in ("step", "loss", "grad_norm", "tokens", "label_tokens")},
                          "seconds": seconds})
        return {"steps": steps, "wall_seconds": usage["wall_seconds"],
                "peak_bytes": usage["card_bytes"] or usage["peak_bytes"],
                "base_bytes": seen.get("model:", 0) - seen.get("device:", 0),
                "allocator_bytes": lines[-1].get("gpu_memory_bytes"), "watts": lines[-1].get("gpu_watts"),
                "plan": {"bytes": memory["planned_bytes"], "used_bytes": memory["peak_bytes"],
                         "tokens_per_second": seen.get("tokens/s")},
                "first_step_seconds": (watcher.at or time.monotonic()) - usage["started"]}

    def rates(self):
        """Operations per second of matrix products here and now, by number type."""
        if self.options.rate == "none":
            return {}
        if self.options.rate != "measure":
            return {"bfloat16": float(self.options.rate)}
        records, _ = self.peer("rate", {"repeats": 15}, {"OMP_NUM_THREADS": str(self.threads)})
        return {record["dtype"]: record["operations_per_second"] for record in records}

    # The comparison.

    def compare(self, case, sides):
        """Runs what is missing; whether all sides have the first one's losses. RunFailed when one ends with an error."""
        job = self.prepare(case)
        equal = True
        for repeat in range(self.options.repeats):
            rates = None
            for side in sides:
                if self.find(case, side, repeat):
                    continue
                rates = rates if rates is not None else self.rates()
                say(f"{case.title()}: run {repeat + 1} of {self.options.repeats}, {side}")
                self.keep({"case": case.key(), "side": side, "repeat": repeat, "version": self.version,
                           "model": self.options.model or "", "config": job["config"], "rates": rates,
                           "machine": machine(case.device, self.threads), **self.measure(case, side, job)})
            runs = {side: self.find(case, side, repeat) for side in sides}
            equal = compare_losses(case, runs, say) and equal
            if not equal and self.options.gate:
                say(f"{case.title()}: the losses differ, so no speed is told")
                return False
        return equal

    def runs(self, case, sides):
        return {side: [self.find(case, side, i) for i in range(self.options.repeats)] for side in sides}


def ids_of(case, config):
    """Rows use the ids below this one."""
    return MISTRAL_IDS if case.device == "cpu" and config["vocab_size"] >= MISTRAL_IDS else TINY_IDS


def speed(case, steps):
    """Tokens per second: the median step on the CPU; all counted steps together on a GPU, which works ahead of its log."""
    counted = [s for s in steps if s["step"] > case.warmup]
    if case.device != "cpu":
        return sum(s["tokens"] for s in counted) / sum(s["seconds"] for s in counted)
    speeds = sorted(s["tokens"] / s["seconds"] for s in counted)
    return speeds[len(speeds) // 2]


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


class CardMemory:
    """The most memory that the first card gave away while this lived, over what it had given before, in bytes; as the
    driver counts it, so the same for all sides. None without nvidia-smi."""

    QUERY = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0", "--loop-ms=100"]

    def __init__(self):
        self.process, self.readings = None, []
        if shutil.which("nvidia-smi"):
            self.process = subprocess.Popen(self.QUERY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()

    def watch(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.readings.append(int(line) << 20)

    def stop(self):
        if not self.process:
            return None
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        return max(self.readings) - self.readings[0] if self.readings else None


def machine(device, threads):
    if device == "cuda":
        done = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"],
                              capture_output=True, text=True)
        name, _, driver = done.stdout.strip().partition(", ")
        return f"{name or 'GPU'}, driver {driver or 'unknown'}"
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {threads} cores"


def chosen(text, known, what):
    names = list(known) if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            sys.exit(f"{what} '{name}' is not known; choose from {', '.join(known)}")
    return names


def batches(text):
    for name in text.split(","):
        try:
            cases.batch_of(name)
        except (ValueError, IndexError) as error:
            sys.exit(str(error) or "an empty batch name")
    return text.split(",")
