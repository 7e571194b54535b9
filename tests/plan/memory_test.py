"""What a training run holds at its peak is within 10 % of what the plan said before, for models of every family, weight
formats, recomputation, micro-batches, optimisers and methods. Prints a table; SLMTUNE_COUNTS=full runs all of it."""
import json
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["SLMTUNE_SOURCE"]) / "tests/cli"))
from sandbox import Sandbox  # noqa: E402

LIMIT = 0.10

FACTS = """name: shape
architecture: {architecture}
hidden_size: 512
intermediate_size: 1408
num_hidden_layers: 8
num_attention_heads: 8
num_key_value_heads: 4
head_dim: 64
max_position_embeddings: 8192
tie_word_embeddings: {tied}
vocab_size: 32000
eos_token_id: 2
pad_token_id: 0
tokenizer: tokenizer
template: chatml
{more}"""
GEMMA = """hidden_activation: gelu_pytorch_tanh
query_pre_attn_scalar: 64
attn_logit_softcapping: 50.0
final_logit_softcapping: 30.0
sliding_window: 256
"""

RECIPE = """name: {name}
model: {{init: {name}-facts.yaml, quant: {quant}, dtype: {dtype}}}
method: {method}
data: {{train: rows.jsonl, format: tokens, max_tokens: 1024, pack: true}}
train: {{max_steps: 1, warmup: 0, batch_rows: 16, micro_batch_tokens: {tokens}, {recompute}, optimizer: {optimizer}}}
"""

LLAMA, QWEN, MISTRAL, GEMMA2, PHI = (name + "ForCausalLM" for name in ("Llama", "Qwen2", "Mistral", "Gemma2", "Phi3"))
# name, architecture, quant, method, optimizer, recompute, micro-batch, lora; the first three always run
SETTINGS = [
    ("llama-plain", LLAMA, "none", "lora", "adamw", "none", 2048, ""),
    ("qwen-nf4-all", QWEN, "nf4", "lora", "adamw8bit", "all", 2048, ""),
    ("gemma-int8-half", GEMMA2, "int8", "lora", "adamw", 4, 1024, ""),
    ("llama-wide", LLAMA, "nf4", "lora", "adamw", "none", 6144, ""),
    ("llama-whole", LLAMA, "nf4", "lora", "adamw", "whole", 4096, ""),
    ("mistral-all", MISTRAL, "none", "lora", "adamw8bit", "all", 4096, ""),
    ("phi-nf4", PHI, "nf4", "lora", "adamw", "none", 2048, ""),
    ("qwen-rank-256", QWEN, "int8", "lora", "adamw8bit", "none", 2048, "lora: {rank: 256}\n"),
    ("llama-full", LLAMA, "none", "full", "adamw", "none", 2048, ""),
    ("llama-full-8bit", LLAMA, "none", "full", "adamw8bit", "all", 4096, ""),
    ("llama-dropout", LLAMA, "none", "lora", "adamw", "none", 2048, "lora: {dropout: 0.1}\n"),
    ("qwen-dora-all", QWEN, "none", "lora", "adamw", "all", 2048, "lora: {variant: dora}\n"),
]


def write_rows(box):
    random.seed(3)
    rows = []
    for length in [1024] * 8 + [700] * 8:
        ids = [random.randrange(10, 2000) for _ in range(length)]
        rows.append(json.dumps({"input_ids": ids, "labels": ids}))
    box.write("rows.jsonl", "\n".join(rows) + "\n")


def train(box, setting):
    name, architecture, quant, method, optimizer, recompute, tokens, lora = setting
    recomputation = "recompute_whole: all" if recompute == "whole" else f"recompute: {recompute}"
    tied = "false" if architecture in (MISTRAL, PHI) else "true"
    box.write(f"{name}-facts.yaml", FACTS.format(architecture=architecture, tied=tied, more=GEMMA if architecture == GEMMA2 else ""))
    box.write(f"{name}.yaml", lora + RECIPE.format(name=name, quant=quant, dtype="float32", method=method, tokens=tokens,
                                                   recompute=recomputation, optimizer=optimizer))
    # With a limit, so that the largest micro-batch is tried.
    done = box.must("train", f"{name}.yaml", "--set", "budget.memory_gib=8", "--json", environment={"OMP_NUM_THREADS": "2"})
    summary = json.loads(done.stdout)
    # A step and its update on a machine that others use, too, beside a probe of a tenth of a second.
    shares = summary["mfu"], summary["ceiling_share"]
    if not 0 < shares[0] <= shares[1] < 3 or summary["machine"]["peak_flops_per_second"] < 1e9:
        sys.exit(f"{name}: MFU and share of the ceiling {shares}")
    return summary["memory"]


def main():
    wanted = sys.argv[1:]
    full = os.environ.get("SLMTUNE_COUNTS") == "full"
    settings = [s for s in SETTINGS if s[0] in wanted] if wanted else SETTINGS if full else SETTINGS[:3]
    wrong = []
    mib = lambda count: f"{count / 2**20:8.0f}"
    print(f"{'setting':18}{'planned':>9}{'tried':>9}{'peak':>9} MiB   off")
    with Sandbox() as box:
        box.write_inputs()
        write_rows(box)
        for setting in settings:
            memory = train(box, setting)
            off = memory["planned_bytes"] / memory["peak_bytes"] - 1
            print(f"{setting[0]:18} {mib(memory['planned_bytes'])} {mib(memory['rehearsed_bytes'])} {mib(memory['peak_bytes'])}"
                  f"     {100 * off:+5.1f} %", flush=True)
            if wanted:
                print("   ", ", ".join(f"{key} {value / 2**20:.0f}" for key, value in memory["parts"].items()))
            if abs(off) > LIMIT:
                wrong.append(setting[0])
    if wrong:
        sys.exit(f"off by more than {100 * LIMIT:.0f} %: {', '.join(wrong)}")


main()
