#!/usr/bin/env python3
"""What 8-bit products cost in skill: a model trained on gsm8k with train.matmul bf16, fp8 and int8, judged by its answers.

    benchmarks/gpu_matmul.py build/cuda/slmtune --model DIR --gsm8k DIR
    benchmarks/gpu_matmul.py build/cuda/slmtune --model DIR --gsm8k DIR --quant nf4 --questions 1319 --steps 800

DIR of the model: a published one with tokenizer and chat template; of gsm8k: train.jsonl and test.jsonl. The same recipe, rows
and seed for each kind of product; then each snapshot answers the first questions of the test file, greedily. The score is
the share of answers whose final number (after "####", else the last one) is the file's, with its standard error: kinds that
differ by less than twice that are not told apart. The untrained model is asked, too. Products in 8 bits are reported as
such by slmtune itself: `matmul` in summary and manifest.

A kind of product that the card lacks is named and left out (G015). OUT.md is the table, OUT.json has every answer.
Exit status: 0, 1 when a run failed. Needs no packages.
"""
import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from training_report import table

REPOSITORY = Path(__file__).resolve().parents[1]
KINDS = ("bf16", "fp8", "int8")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
HEADS = ("products", "score", "standard error", "questions", "last loss", "validation loss", "tokens/s", "peak GiB")


def parse(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="slmtune, built by the preset cuda")
    parser.add_argument("--model", required=True, help="folder of a published model")
    parser.add_argument("--gsm8k", required=True, help="folder with train.jsonl and test.jsonl of gsm8k")
    parser.add_argument("--matmul", default=",".join(KINDS), help="(default: %(default)s)")
    parser.add_argument("--quant", default="none", help="storage of the base (default: none)")
    parser.add_argument("--device", default="cuda", help="(default: cuda)")
    parser.add_argument("--steps", type=int, default=400, help="of 16 rows (default: 400)")
    parser.add_argument("--questions", type=int, default=400, help="of the test file (default: 400)")
    parser.add_argument("--max-tokens", type=int, default=400, help="of an answer (default: 400)")
    parser.add_argument("--template", help="chat template, where the model's own is not recognised")
    parser.add_argument("--out", default=str(REPOSITORY / "build" / "bench" / "gpu-matmul"))
    options = parser.parse_args(words)
    options.kinds = options.matmul.split(",")
    for kind in options.kinds:
        if kind not in KINDS:
            sys.exit(f"products '{kind}' are not known; choose from {', '.join(KINDS)}")
    return options


def final_number(text):
    """After the mark "####" where it stands, else the last number; None without one."""
    marked = text.rpartition("####")[2] if "####" in text else None
    found = NUMBER.findall(text if marked is None else marked)
    if not found:
        return None
    return float(found[0 if marked is not None else -1].replace(",", ""))


def score(answers, rows):
    """(share of right answers, its standard error)."""
    right = sum(final_number(answer) == final_number(row["answer"]) for answer, row in zip(answers, rows, strict=True))
    share = right / len(rows)
    return share, math.sqrt(share * (1 - share) / len(rows))


def recipe(options, kind, store):
    data = Path(options.gsm8k)
    more = {"template": options.template} if options.template else {}
    return {
        "name": f"gsm8k-{kind}", "store": str(store), "method": "lora",
        "model": {"path": str(Path(options.model).resolve()), "device": options.device, "dtype": "bfloat16",
                  "quant": options.quant, **more},
        "lora": {"rank": 16, "alpha": 32, "targets": "all-linear"},
        "data": {"train": [{"path": str((data / "train.jsonl").resolve())}],
                 "valid": {"path": str((data / "test.jsonl").resolve())}, "format": "qa", "max_tokens": 1024,
                 "too_long": "drop"},
        "train": {"max_steps": options.steps, "epochs": 100, "batch_rows": 16, "learning_rate": 2e-4, "schedule": "cosine",
                  "warmup": 0.05, "seed": 7, "matmul": kind},
        "eval": {"metrics": ["loss"]}}


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"'{command[1]}' ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def trained(options, kind, store):
    file = store.with_suffix(".yaml")
    file.write_text(json.dumps(recipe(options, kind, store), indent=1))
    return json.loads(run([options.program, "train", str(file), "--json"]))


def answers(options, model, rows):
    """One process, a new conversation for each question; a question is one line there."""
    lines = "".join("/reset\n" + " ".join(row["question"].split()) + "\n" for row in rows)
    more = ["--template", options.template] if options.template else []
    printed = run([options.program, "chat", model, "--json", "--greedy", "--max-tokens", str(options.max_tokens), "--device",
                   options.device, "--dtype", "bfloat16", *more], lines)
    decoder, found, place = json.JSONDecoder(), [], 0
    while (place := re.compile(r"\s*").match(printed, place).end()) < len(printed):
        reply, place = decoder.raw_decode(printed, place)
        found.append(reply["text"])
    return found


def judged(options, kind, rows, work):
    """One row of the table and its record; `kind` None: the model as it is."""
    summary = trained(options, kind, work / kind) if kind else {}
    found = answers(options, summary.get("snapshot_path") or str(Path(options.model).resolve()), rows)
    share, error = score(found, rows)
    peak = (summary.get("gpu") or {}).get("peak_bytes") or summary.get("peak_memory_bytes")

    def shown(name, pattern):
        return pattern.format(summary[name]) if summary.get(name) is not None else "–"
    row = (kind or "untrained", f"{100 * share:.1f} %", f"{100 * error:.1f} %", str(len(rows)),
           shown("last_loss", "{:.4f}"), shown("valid_loss", "{:.4f}"), shown("tokens_per_second", "{:.0f}"),
           f"{peak / 2**30:.2f}" if peak else "–")
    return row, {"products": kind, "score": share, "standard_error": error, "summary": summary, "answers": found}


def main(words=None):
    options = parse(words)
    lines = (Path(options.gsm8k) / "test.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines[:options.questions]]
    shown, records, failures = [], [], []
    with tempfile.TemporaryDirectory() as work:
        for kind in [None, *options.kinds]:
            try:
                row, record = judged(options, kind, rows, Path(work))
            except RuntimeError as failure:
                absent = "G015" in str(failure)
                print(f"{kind or 'untrained'}: {'this device has none' if absent else failure}", file=sys.stderr, flush=True)
                failures += [] if absent else [kind]
                continue
            shown.append(row)
            records.append(record)
            print(" · ".join(row), file=sys.stderr, flush=True)
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps({"schema": 1, "kinds": records}, indent=1))
    text = table(HEADS, shown)
    out.with_suffix(".md").write_text(
        f"# gsm8k by the products that trained it\n\nWritten by `benchmarks/gpu_matmul.py`: {Path(options.model).name}, base "
        f"'{options.quant}', {options.steps} steps of 16 rows, answers of at most {options.max_tokens} tokens.\n\n{text}\n")
    print(text)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
