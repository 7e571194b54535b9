"""`slmtune plan`: without weights or a tokenizer, what it counts, what fits, what it advises, and its errors; and what
`train` does with the same model of memory."""
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["SLMTUNE_SOURCE"]) / "tests/cli"))
from sandbox import FAQ, Sandbox, chat_row  # noqa: E402

BIG = """name: night
model: {path: models/Qwen2.5-14B-Instruct, quant: QUANT}
data: {train: rows.jsonl, max_tokens: 2048}
train: {batch_rows: 8}
"""


def check(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def plan(box, *words):
    return json.loads(box.must("plan", *words, "--json").stdout)


def machine(result, name):
    return next(each for each in result["machines"] if each["name"] == name)


def published_facts_are_enough(box):
    box.write("night.yaml", BIG.replace("QUANT", "nf4"))
    result = plan(box, "night.yaml", "--gpu", "4090", "--gpu", "rtx-3060-12gb")
    check(result["schema"] == 1 and result["model"]["origin"] == "facts", result["model"])
    check(result["model"]["parameters"] == 14770033664, result["model"])
    check([m["name"] for m in result["machines"]] == ["this-computer", "rtx-4090", "rtx-3060-12gb"], "names of the machines")
    check(result["data"]["estimated"] and result["data"]["rows"] == 10, result["data"])
    large, small = machine(result, "rtx-4090"), machine(result, "rtx-3060-12gb")
    check(large["fits"] and not large["changes"], large)
    check(large["total_bytes"] == sum(large["parts"].values()) <= large["usable_bytes"], large)
    check(small["recompute_layers"] > large["recompute_layers"] or small["changes"], small)
    check(large["seconds"] < small["seconds"], "the faster card takes longer")
    for card in (large, small):
        check(card["seconds_low"] < card["seconds"] < card["seconds_high"], "range of the time")
        share = card["tokens_per_second"] / card["ceiling_tokens_per_second"]
        check(0.3 < share < 0.85, f"share of the ceiling {share}")
        check(card["flops_per_token"] >= card["flops_per_token_needed"] > 4 * 13.2e9, "operations")
    check(large["kwh"] > 0 and abs(large["cost"] - 0.3 * large["kwh"]) < 1e-9, "cost")
    check(result["advice"][0]["topic"] == "retrieval" and len(result["advice"][0]["reasons"]) >= 3, result["advice"])


def changes_are_named(box):
    box.write("night.yaml", BIG.replace("QUANT", "none"))
    result = plan(box, "night.yaml", "--gpu", "4090")
    check(machine(result, "rtx-4090")["fits"], "14B does not fit with nf4")
    check(machine(result, "rtx-4090")["changes"] == ["model.quant: nf4"], machine(result, "rtx-4090")["changes"])
    text = box.must("plan", "night.yaml", "--gpu", "4090").stdout
    for part in ("fits with model.quant: nf4", "tokens/s (", "165 TFLOP/s", "MFU ", "base ", "activations ", "total ", "kWh", "EUR", "retrieval (RAG)",
                 "published facts", "about "):
        check(part in text, f"no '{part}' in\n{text}")
    result = plan(box, "night.yaml", "--gpu", "3070", "--set", "model.path=models/Mistral-Small-Instruct-2409")
    check(not machine(result, "rtx-3070-8gb")["fits"], "22B fits in 8 GB")


def every_card_without_gpu(box):
    text = box.must("plan", "faq.yaml").stdout
    for card in ("RTX 3060", "RTX 4090", "RTX 5090", "H200", "this computer"):
        check(card in text, f"no '{card}' in\n{text}")


def rows_are_counted_as_train_does(box):
    counted = plan(box, "faq.yaml", "--gpu", "4090")
    dry = json.loads(box.must("train", "faq.yaml", "--dry-run", "--json").stdout)
    for key in ("rows", "tokens", "trained_tokens", "longest", "truncated"):
        check(counted["data"][key] == dry["data"]["train"][key], key)
    check(counted["steps"] == dry["steps"] and not counted["data"]["estimated"], counted["steps"])
    box.write("cut.yaml", FAQ.replace("max_tokens: 128", "max_tokens: 20\n  too_long: truncate"))
    check(plan(box, "cut.yaml", "--gpu", "4090")["data"]["truncated"] == 10, "truncated rows")


def a_config_is_enough(box):
    box.path("shape").mkdir()
    shutil.copy(box.path("model/config.json"), box.path("shape/config.json"))
    box.write("shape.yaml", FAQ.replace("path: model}", "path: shape}"))
    result = plan(box, "shape.yaml", "--gpu", "4090")
    check(result["model"]["origin"] == "folder" and result["data"]["estimated"], result["model"])
    exact, about = plan(box, "faq.yaml", "--gpu", "4090")["data"]["tokens"], result["data"]["tokens"]
    check(0.3 < about / exact < 3, f"estimated {about}, counted {exact}")


def a_card_of_ones_own(box):
    box.write("card.yaml", "name: mine\nmemory_gib: 48\nbandwidth_gb_per_s: 700\nbf16_tflops: 90\nboard_watts: 250\n")
    check(machine(plan(box, "faq.yaml", "--gpu", "card.yaml"), "mine")["watts"] == 250, "own card")


def errors(box):
    box.path("broken").mkdir()
    box.write("broken/config.json", "{")
    box.write("bad.jsonl", "{\n")
    box.write("broken.yaml", FAQ.replace("path: model}", "path: broken}"))
    box.write("unknown.yaml", BIG.replace("Qwen2.5-14B-Instruct", "qwen2.5-15b").replace("QUANT", "nf4"))
    box.write("nodata.yaml", BIG.replace("rows.jsonl", "none.jsonl").replace("QUANT", "nf4"))
    box.write("baddata.yaml", BIG.replace("rows.jsonl", "bad.jsonl").replace("QUANT", "nf4"))
    box.write("longrow.yaml", FAQ.replace("max_tokens: 128", "max_tokens: 20"))
    for words, status, parts in [
        (("faq.yaml", "--gpu", "rtx-4091"), 64, ["error[U008]", "did you mean 'rtx-4090'?"]),
        (("faq.yaml", "--gpu", "no.yaml"), 66, ["error[N001]"]),
        (("broken.yaml",), 65, ["error[F002]", "broken/config.json"]),
        (("unknown.yaml",), 66, ["error[N004]", "did you mean 'qwen2.5-1.5b'?"]),
        (("nodata.yaml",), 66, ["error[N001]", "none.jsonl"]),
        (("baddata.yaml",), 65, ["error[D002]", "bad.jsonl:1"]),
        (("longrow.yaml",), 65, ["error[D010]"]),
        (("faq.yaml", "--set", "budget.memory_gib=none"), 78, ["error[R003]", "budget.memory_gib"]),
    ]:
        done = box.run("plan", *words)
        check(done.returncode == status, f"{words} ended with {done.returncode}:\n{done.stderr}")
        for part in parts:
            check(part in done.stderr, f"{words}: no '{part}' in\n{done.stderr}")


def train_keeps_to_the_budget(box):
    before = sorted(box.path("runs/faq").rglob("*.safetensors"))
    done = box.run("train", "faq.yaml", "--set", "budget.memory_gib=0.05")
    check(done.returncode == 69 and "error[G011]" in done.stderr and "training needs about" in done.stderr, done.stderr)
    check(sorted(box.path("runs/faq").rglob("*.safetensors")) == before, "something was trained")


def train_writes_what_it_chose(box):
    summary = json.loads(box.must("train", "faq.yaml", "--set", "budget.memory_gib=4", "--json").stdout)
    memory = summary["memory"]
    for key in ("planned_bytes", "budget_bytes", "rehearsed_bytes", "peak_bytes"):
        check(memory[key] > 1 << 20, f"{key}: {memory[key]}")
    check(memory["micro_batch_tokens"] == 1024 and memory["recompute"] == 0 and memory["recompute_whole"] == 0, memory)
    check(summary["machine"] is None and "mfu" not in summary, "a run of a moment was probed for")
    check(memory["rehearsed_tokens"] > 0 and sum(memory["parts"].values()) == memory["planned_bytes"], memory)
    checkpoint = next(box.path(f"{summary['run_path']}/checkpoints").iterdir())
    identity = json.loads((checkpoint / "state.json").read_text())["identity"]
    check(identity["train.micro_batch_tokens"] == "1024" and identity["train.recompute"] == "none", identity)
    check(identity["train.recompute_whole"] == "none", identity)


def a_resumed_run_keeps_its_choice(box):
    """What was free when the run began does not matter when it goes on."""
    room = ["--set", "train.max_steps=4", "--set", "train.warmup=0"]
    box.must("train", "faq.yaml", *room, "--set", "store=runs/again", "--set", "train.recompute=1", "--set",
             "train.max_minutes=1.0e-9")
    run = next(box.path("runs/again/runs").iterdir())
    (run / "summary.json").unlink(missing_ok=True)
    for snapshot in box.path("runs/again/snapshots").iterdir():
        shutil.rmtree(snapshot)
    done = box.run("train", "faq.yaml", *room, "--set", "store=runs/again", "-v")
    check("recompute 1 of 2 layers" in done.stderr, done.stderr)


def whole_layers_train_the_same(box):
    """Recomputing everything changes the memory and no bit of the adapter."""
    weights = []
    for whole in ("none", "1", "all"):
        store = f"runs/whole-{whole}"
        done = box.must("train", "faq.yaml", "--set", "train.max_steps=2", "--set", "train.warmup=0", "--set", f"store={store}",
                        "--set", f"train.recompute_whole={whole}", "--json")
        summary = json.loads(done.stdout)
        check(summary["memory"]["recompute_whole"] == {"none": 0, "1": 1, "all": 2}[whole], summary["memory"])
        weights.append((box.path(summary["snapshot_path"]) / "adapter_model.safetensors").read_bytes())
    check(weights[0] == weights[1] == weights[2], "the adapters differ")


def train_far_from_the_limit_tries_nothing(box):
    summary = json.loads(box.must("train", "faq.yaml", "--set", "store=runs/roomy", "--json").stdout)
    check(summary["memory"]["rehearsed_bytes"] is None, summary["memory"])
    check(summary["memory"]["peak_bytes"] > 1 << 20, summary["memory"])


def bfloat16_is_float32_over_16_bit_weights_where_that_is_faster(box):
    """With AMX, or on an AMD CPU with AVX512-BF16, the arithmetic is bfloat16, too."""
    facts = pathlib.Path("/proc/cpuinfo").read_text()
    gains = "amx_bf16" in facts or ("AuthenticAMD" in facts and "avx512_bf16" in facts)
    for quant, stored in (("none", "bf16"), ("nf4", "nf4")):
        done = box.must("train", "faq.yaml", "--set", "model.dtype=bfloat16", "--set", f"model.quant={quant}", "--set",
                        f"store=runs/short-{quant}", "--set", "train.max_steps=2", "--set", "train.warmup=0", "--json")
        check(gains or "arithmetic in float32" in done.stderr, done.stderr)
        checkpoint = next(box.path(f"{json.loads(done.stdout)['run_path']}/checkpoints").iterdir())
        identity = json.loads((checkpoint / "state.json").read_text())["identity"]
        check(identity["model.quant"] == (quant if gains else stored), identity["model.quant"])
        check(identity["kernel.dtype"] == ("BFloat16" if gains else "Float"), identity["kernel.dtype"])


def main():
    with Sandbox() as box:
        box.make_model()
        for test in (published_facts_are_enough, changes_are_named, every_card_without_gpu, rows_are_counted_as_train_does,
                     a_config_is_enough, a_card_of_ones_own, errors, train_keeps_to_the_budget, train_writes_what_it_chose,
                     train_far_from_the_limit_tries_nothing,
                     a_resumed_run_keeps_its_choice, whole_layers_train_the_same,
                     bfloat16_is_float32_over_16_bit_weights_where_that_is_faster):
            test(box)
            print(test.__name__.replace("_", " "))


main()
