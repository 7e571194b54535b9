"""What the training benchmarks train: shapes of models, batches, rows and their order. Needs no torch.

The rows are tokens already, so that both programs train on the same ones; text is encoded by the program itself.
"""
import json
import random
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

COMMON = dict(rms_norm_eps=1e-6, hidden_act="silu", attention_dropout=0.0, initializer_range=0.02, bos_token_id=1,
              eos_token_id=2, tie_word_embeddings=True)
SHAPES = {
    "llama-40m": ("LlamaForCausalLM", "llama", dict(
        hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=4, intermediate_size=1408,
        vocab_size=32000, max_position_embeddings=4096, rope_theta=10000.0)),
    "qwen2-0.5b": ("Qwen2ForCausalLM", "qwen2", dict(
        hidden_size=896, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, intermediate_size=4864,
        vocab_size=151936, max_position_embeddings=32768, rope_theta=1000000.0, use_sliding_window=False)),
    "llama-0.5b": ("LlamaForCausalLM", "llama", dict(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, num_key_value_heads=8, intermediate_size=4096,
        vocab_size=128256, max_position_embeddings=8192, rope_theta=500000.0)),
    # A stand-in for the others where only the way through the programs is tried.
    "llama-tiny": ("LlamaForCausalLM", "llama", dict(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=160,
        vocab_size=4096, max_position_embeddings=4096, rope_theta=10000.0)),
    # Shapes of published models, for the GPU.
    "qwen2.5-1.5b": ("Qwen2ForCausalLM", "qwen2", dict(
        hidden_size=1536, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2, intermediate_size=8960,
        vocab_size=151936, max_position_embeddings=131072, rope_theta=1000000.0, use_sliding_window=False)),
    "qwen2.5-7b": ("Qwen2ForCausalLM", "qwen2", dict(
        hidden_size=3584, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, intermediate_size=18944,
        vocab_size=152064, max_position_embeddings=131072, rope_theta=1000000.0, use_sliding_window=False,
        tie_word_embeddings=False)),
    "llama3.1-8b": ("LlamaForCausalLM", "llama", dict(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, intermediate_size=14336,
        vocab_size=128256, max_position_embeddings=131072, rope_theta=500000.0, tie_word_embeddings=False)),
    "qwen2.5-14b": ("Qwen2ForCausalLM", "qwen2", dict(
        hidden_size=5120, num_hidden_layers=48, num_attention_heads=40, num_key_value_heads=8, intermediate_size=13824,
        vocab_size=152064, max_position_embeddings=131072, rope_theta=1000000.0, use_sliding_window=False,
        tie_word_embeddings=False)),
}
CPU_SHAPES = ("llama-40m", "qwen2-0.5b", "llama-0.5b")
CPU_BATCHES = ("1x512", "1x2048", "gsm8k-8")
METHODS = {"qlora": "nf4", "lora": "none"}  # the base's storage
LOWEST_ID = 3


def batch_of(name):
    """Rows of a step and tokens of a row (None: rows of gsm8k) of "2x2048" or "gsm8k-8"."""
    first, mark, second = name.partition("x" if name[0].isdigit() else "-")
    if first == "gsm8k" and second.isdigit():
        return int(second), None
    if mark == "x" and first.isdigit() and second.isdigit():
        return int(first), int(second)
    raise ValueError(f"batch '{name}' is not known; write ROWSxTOKENS, as in 2x2048, or gsm8k-ROWS")


@dataclass(frozen=True)
class Case:
    """One setting; everything in it is equal on all sides."""
    shape: str
    batch: str
    dtype: str
    steps: int
    warmup: int
    rank: int = 16
    learning_rate: float = 1e-3
    seed: int = 7
    objective: str = "sft"
    device: str = "cpu"
    base: str = "none"  # storage of the base on all sides
    recompute: str = "auto"  # auto: each side as it does by default; always: all layers
    memory_gib: float = 0.0  # of the card that may be used; 0: all

    def key(self):
        return json.dumps(asdict(self), sort_keys=True)

    def title(self):
        more = [self.objective] if self.objective != "sft" else []
        more += [self.base] if self.base != "none" else []
        more += [f"{self.memory_gib:g} GiB"] if self.memory_gib else []
        more += ["all recomputed"] if self.recompute == "always" else []
        return ", ".join([self.shape, self.batch, self.dtype, *more])

    def folder(self):
        return f"{self.shape}-{self.batch}-{self.dtype}-{self.objective}-{self.steps}-r{self.rank}"


def config_of(shape, dtype):
    architecture, model_type, sizes = SHAPES[shape]
    return {"architectures": [architecture], "model_type": model_type, "torch_dtype": dtype, **COMMON, **sizes}


def random_rows(count, tokens, seed, vocabulary):
    numbers = random.Random(seed)
    for _ in range(count):
        ids = [int(numbers.random() * (vocabulary - LOWEST_ID)) + LOWEST_ID for _ in range(tokens)]
        yield {"input_ids": ids, "labels": ids}


def problems(file, count):
    """(question, answer) of gsm8k, from the beginning again where it ends."""
    rows = [json.loads(line) for line in Path(file).read_text().splitlines()]
    return [(rows[i % len(rows)]["question"] + "\n", rows[i % len(rows)]["answer"]) for i in range(count)]


def encoded(program, model, pairs, scratch):
    """Prompts and answers as the program encodes them with the model's tokenizer; the answer carries the loss."""
    write_rows(scratch, [{"prompt": prompt, "completion": answer} for prompt, answer in pairs])
    done = subprocess.run([program, "data", "tokenize", "--model", model, "--format", "completion", scratch], check=True,
                          stdout=subprocess.PIPE, text=True)
    scratch.unlink()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [{"input_ids": row["ids"], "labels": row["labels"]} for row in rows]


def preferences(file, count):
    """To each question its answer and, as the worse one, that of the next question."""
    found = problems(file, count + 1)
    return [{"prompt": found[i][0], "chosen": found[i][1], "rejected": found[i + 1][1]} for i in range(count)]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class SplitMix64:
    """core/seed.h in Python: the same numbers, so that a peer can follow the program's order of rows."""
    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & self.MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & self.MASK
        return z ^ (z >> 31)

    def below(self, bound):
        unfair = (1 << 64) % bound
        value = self.next()
        while value < unfair:
            value = self.next()
        return value % bound


def epoch_order(rows, seed, epoch=0):
    """data/packer.h: the order of the rows of an epoch."""
    name = 0xCBF29CE484222325
    for byte in f"shuffle {epoch}".encode():
        name = (name ^ byte) * 0x100000001B3 & SplitMix64.MASK
    numbers = SplitMix64(SplitMix64(SplitMix64(seed).next() ^ name).next())
    order = list(range(rows))
    for i in range(rows, 1, -1):
        j = numbers.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def floating_operations(config, rank, tokens, labels, row_tokens):
    """Of a step over `tokens` tokens with `labels` label tokens in rows of `row_tokens` on average: forward, backward to
    the activations, gradients of the adapter, causal attention at half; nothing is computed twice."""
    width, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    head = width // config["num_attention_heads"]
    keys = head * config["num_key_value_heads"]
    pairs = [(width, width), (width, keys), (width, keys), (width, width), (width, inner), (width, inner), (inner, width)]
    linear = layers * sum(a * b for a, b in pairs)
    adapter = layers * rank * sum(a + b for a, b in pairs)
    return (tokens * (4 * linear + 6 * adapter + 7 * row_tokens * width * layers)
            + labels * 4 * width * config["vocab_size"])
