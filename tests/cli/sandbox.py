"""A temporary folder in which the slmtune program is run, with a tiny model that the program made itself.

    with Sandbox() as box:
        box.make_model()                       # 'model' (a Hugging Face folder) and store 'runs/faq' with an adapter
        result = box.run("inspect", "model")
        result.returncode, result.stdout, result.stderr
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.environ["SLMTUNE"]
SOURCE = pathlib.Path(os.environ["SLMTUNE_SOURCE"])
TOKENIZER = SOURCE / "configs/models/tiny"

FACTS = """name: mini
architecture: LlamaForCausalLM
hidden_size: 32
intermediate_size: 64
num_hidden_layers: 2
num_attention_heads: 2
num_key_value_heads: 1
head_dim: 16
max_position_embeddings: 256
tie_word_embeddings: true
vocab_size: 2048
initializer_range: 0.05
eos_token_id: 2
pad_token_id: 0
tokenizer: tokenizer
template: chatml
"""

BASE = """name: base
model: {init: mini.yaml}
method: full
data: {train: rows.jsonl, max_tokens: 128}
train: {max_steps: 2, batch_rows: 2, learning_rate: 1.0e-3}
"""

FAQ = """name: faq
model: {path: model}
method: lora
lora: {rank: 4, alpha: 8}
data:
  train: [{path: rows.jsonl}]
  valid: {path: valid.jsonl}
  max_tokens: 128
train: {max_steps: 2, batch_rows: 2, learning_rate: 1.0e-3}
eval: {metrics: [loss]}
"""


def chat_row(question, answer):
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


class Sandbox:
    def __enter__(self):
        if not (TOKENIZER / "tokenizer.json").exists():
            print(f"skipped: {TOKENIZER}/tokenizer.json is absent")
            sys.exit(77)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="slmtune-cli-")).resolve()
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return self.root / name

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def environment(self, more=None):
        return {**os.environ, "OMP_NUM_THREADS": "1", **(more or {})}

    def run(self, *words, stdin="", timeout=300, environment=None):
        return subprocess.run([PROGRAM, *words], cwd=self.root, env=self.environment(environment), input=stdin, text=True,
                              capture_output=True, timeout=timeout, errors="surrogateescape")

    def start(self, *words, environment=None):
        return subprocess.Popen([PROGRAM, *words], cwd=self.root, env=self.environment(environment), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def must(self, *words, **options):
        result = self.run(*words, **options)
        if result.returncode != 0:
            sys.exit(f"slmtune {' '.join(words)} ended with {result.returncode}:\n{result.stderr}")
        return result

    def write_inputs(self):
        shutil.copytree(TOKENIZER, self.path("tokenizer"))
        self.write("mini.yaml", FACTS)
        self.write("base.yaml", BASE)
        self.write("faq.yaml", FAQ)
        rows = [chat_row(f"What costs item {i}?", f"Item {i} costs {i + 3} euros.") for i in range(12)]
        self.write("rows.jsonl", "\n".join(rows[:10]) + "\n")
        self.write("valid.jsonl", "\n".join(rows[10:]) + "\n")

    def make_model(self):
        """'model' from a short full training, and snapshot runs/faq#1, an adapter on it."""
        self.write_inputs()
        self.must("train", "base.yaml", "-q")
        shutil.copytree(self.path("runs/base/snapshots/0001"), self.path("model"))
        for name in ("manifest.json", "metrics.json", "README.md"):
            self.path("model/" + name).unlink()
        self.must("train", "faq.yaml", "-q")
