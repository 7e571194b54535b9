"""Compares losses of runs and turns runs into ratios and tables, for the training benchmarks. Needs no torch."""
import json
import math

import training_cases as cases

# Relative bounds by number type: of step 1, and of the means of ten steps along the curve.
GATES = {"float32": (1e-5, 1e-3), "bfloat16": (1e-3, 1e-2)}
QUANTISED_END = 0.02  # 4- and 8-bit bases are other models: only the end of the curve is compared


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def relative(a, b):
    return abs(a - b) / max(abs(b), 1e-12)


def means(losses, size=10):
    return [sum(losses[i:i + size]) / len(losses[i:i + size]) for i in range(0, len(losses), size)]


def compare_losses(case, runs, say):
    """Whether each other side's losses are those of the first side, within the bounds."""
    first, *others = runs
    equal = True
    ours = [step["loss"] for step in runs[first]["steps"]]
    for side in others:
        theirs = [step["loss"] for step in runs[side]["steps"]]
        counts = [(a["tokens"], a["label_tokens"]) == (b["tokens"], b["label_tokens"])
                  for a, b in zip(runs[first]["steps"], runs[side]["steps"])]
        if len(ours) != len(theirs) or not all(counts) or not all(math.isfinite(loss) for loss in ours + theirs):
            say(f"{case.title()}: {first} and {side} did not train on the same tokens")
            equal = False
            continue
        start, curve = relative(ours[0], theirs[0]), max(map(relative, means(ours), means(theirs)))
        end = relative(means(ours)[-1], means(theirs)[-1])
        bounds = GATES[case.dtype]
        is_quantised = any(name.startswith("slmtune-") for name in (first, side))
        good = end <= QUANTISED_END if is_quantised else start <= bounds[0] and curve <= bounds[1]
        say(f"{case.title()}: losses of {first} and {side}: step 1 {start:.1e}, curve {curve:.1e}, end {end:.1e} relative"
            + ("" if good else "  TOO FAR"))
        equal = equal and good
    return equal


def spread(values):
    return {"median": median(values), "low": min(values), "high": max(values)}


def share(case, record):
    """Reached share of the machine's matrix rate, measured beside this run."""
    rate = (record.get("rates") or {}).get(case.dtype)
    if not rate or case.objective != "sft":
        return None
    steps = [step for step in record["steps"] if step["step"] > case.warmup]
    rows = cases.batch_of(case.batch)[0]
    tokens, labels = sum(s["tokens"] for s in steps), sum(s["label_tokens"] for s in steps)
    row_tokens = tokens / (rows * len(steps))
    needed = cases.floating_operations(record["config"], case.rank, tokens, labels, row_tokens)
    return needed / tokens * record["tokens_per_second"] / rate


def describe(case, runs):
    first, *others = runs
    result = {"case": json.loads(case.key()), "title": case.title(), "machine": runs[first][0]["machine"], "sides": {},
              "ratios": {}}
    for side, records in runs.items():
        shares = [share(case, record) for record in records]
        result["sides"][side] = {
            "runs": len(records),
            **{name: spread([record[name] for record in records])
               for name in ("tokens_per_second", "peak_bytes", "base_bytes", "first_step_seconds", "wall_seconds")},
            "first_loss": records[0]["steps"][0]["loss"], "last_loss": means([s["loss"] for s in records[0]["steps"]])[-1],
            "matrix_rate_share": spread(shares) if all(shares) else None}
    for side in others:
        pairs = list(zip(runs[first], runs[side]))
        result["ratios"][side] = {
            "speed": spread([a["tokens_per_second"] / b["tokens_per_second"] for a, b in pairs]),
            "peak_memory": spread([a["peak_bytes"] / b["peak_bytes"] for a, b in pairs]),
            # The peer's weights are pages of the mapped file, so only builds of the program can be compared.
            "base_memory": None if "peer" in first + side else spread([a["base_bytes"] / b["base_bytes"] for a, b in pairs]),
            "first_step_sooner": spread([b["first_step_seconds"] / a["first_step_seconds"] for a, b in pairs]),
            "wall_time": spread([a["wall_seconds"] / b["wall_seconds"] for a, b in pairs])}
    return result


def shown(value, pattern="{:.2f}", scale=1.0):
    one = pattern.format(value["median"] * scale)
    return f"{one} ({pattern.format(value['low'] * scale)}–{pattern.format(value['high'] * scale)})"


def side_row(result, side):
    values = result["sides"][side]
    rate = values["matrix_rate_share"]
    return (result["title"], side, shown(values["tokens_per_second"], "{:.0f}"),
            shown(values["peak_bytes"], "{:.2f}", 2**-30), shown(values["first_step_seconds"], "{:.1f}"),
            shown(values["wall_seconds"], "{:.1f}"), f"{values['first_loss']:.4f} → {values['last_loss']:.4f}",
            shown(rate, "{:.0f} %", 100) if rate else "–")


def ratio_row(result, side):
    values = result["ratios"][side]
    return (result["title"], side, shown(values["speed"]) + " ×", shown(values["peak_memory"]) + " ×",
            shown(values["first_step_sooner"], "{:.1f}") + " ×", shown(values["wall_time"]) + " ×",
            shown(values["base_memory"]) + " ×" if values["base_memory"] else "–")


SIDE_HEADS = ("setting", "side", "tokens/s", "peak GiB", "first step after s", "all s", "loss", "share of the matrix rate")
RATIO_HEADS = ("setting", "against", "speed", "peak memory", "first step sooner", "wall time", "memory of the base")


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(results):
    sides = [side_row(result, side) for result in results for side in result["sides"]]
    ratios = [ratio_row(result, side) for result in results for side in result["ratios"]]
    return table(SIDE_HEADS, sides), table(RATIO_HEADS, ratios)


def length_rows(results):
    """Time per token of long rows over that of short ones, where both were run."""
    speeds = {}
    for result in results:
        case = result["case"]
        for side, values in result["sides"].items():
            speeds[case["shape"], case["dtype"], side, case["batch"]] = values["tokens_per_second"]["median"]
    for (shape, dtype, side, batch), speed in speeds.items():
        longer = speeds.get((shape, dtype, side, "1x2048"))
        if batch == "1x512" and longer:
            yield f"{shape}, {dtype}", side, f"{speed / longer:.2f} ×"


def print_case(result):
    print("\n\n".join(tables([result])) + "\n", flush=True)


def length_table(results):
    rows = list(length_rows(results))
    if not rows:
        return ""
    return "\n" + table(("setting", "side", "time per token at 1x2048, over 1x512"), rows) + "\n"


def write_report(path, results, options, script="compare_training.py", where="the CPU", counted="the median of its steps"):
    sides, ratios = tables(results)
    first = options.sides.split(",")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# Training on {where}: {options.sides.replace(",", ", ")}

Written by `benchmarks/{script}`: LoRA of rank {options.rank} on all linears, {options.steps} steps of which the first
{options.warmup} do not count, {options.repeats} runs of each side in turn, {results[0]["machine"]}. A figure is the median of the runs, with
the least and the greatest; a run's tokens per second are {counted}, padding not counted. Losses were
compared before any speed was.

{sides}

{first} against the others: speed above 1 is faster, memory and time below 1 are less.

{ratios}
{length_table(results)}""")
