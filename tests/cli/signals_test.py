"""A signal ends the program within seconds in every phase, by that signal, with no half file; the next run goes on."""
import json
import shutil
import signal
import sys
import threading
import time
import unittest

import numpy

from sandbox import FACTS, FAQ, Sandbox, chat_row

FIRST = 5.0  # seconds that the program may take to end after a signal
SECOND = 1.0  # after a second one
HALF = (".tmp", ".partial", ".unverified", ".removed")

# 35 million parameters, so that making and converting them takes long enough to be interrupted.
LARGE = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 8,
         "num_key_value_heads": 8, "head_dim": 64}


class Watched:
    """A program whose messages are read while it runs."""

    def __init__(self, *words):
        self.program = box.start(*words)
        self.messages = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.program.stderr:
            self.messages += line

    def until(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            if self.program.poll() is not None or time.monotonic() > deadline:
                self.reader.join()
                sys.exit("the program ended before it was in the phase to be tested:\n" + self.messages)
            time.sleep(0.001)
        return self

    def says(self, text):
        return self.until(lambda: text in self.messages)

    def stop(self, *signals):
        """Seconds that it took to end."""
        begin = time.monotonic()
        for number in signals:
            self.program.send_signal(number)
        self.program.stdout.read()
        self.program.wait(timeout=60)
        took = time.monotonic() - begin
        self.reader.join()
        self.program.stdin.close()
        self.program.stdout.close()
        self.program.stderr.close()
        return took


def half_files(folder):
    return [str(path) for path in box.path(folder).rglob("*") if path.name.endswith(HALF) or ".staging-" in path.name]


def stored(store, pattern):
    return sorted(path.name for path in box.path(store).glob(pattern))


def make_large_model():
    """'large': a model folder with random weights."""
    shutil.copytree(box.path("model"), box.path("large"))
    config = json.loads(box.path("model/config.json").read_text())
    config.update(LARGE)
    box.write("large/config.json", json.dumps(config))
    path = box.path("large/model.safetensors")
    data = path.read_bytes()
    small = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    width, inner, heads = LARGE["hidden_size"], LARGE["intermediate_size"], LARGE["num_attention_heads"] * LARGE["head_dim"]
    layer = {"input_layernorm": [width], "post_attention_layernorm": [width], "self_attn.q_proj": [heads, width],
             "self_attn.k_proj": [heads, width], "self_attn.v_proj": [heads, width], "self_attn.o_proj": [width, heads],
             "mlp.gate_proj": [inner, width], "mlp.up_proj": [inner, width], "mlp.down_proj": [width, inner]}
    shapes = {"model.embed_tokens.weight": [small["model.embed_tokens.weight"]["shape"][0], width],
              "model.norm.weight": [width]}
    for index in range(LARGE["num_hidden_layers"]):
        shapes.update({f"model.layers.{index}.{name}.weight": shape for name, shape in layer.items()})
    header, position = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(numpy.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    random = numpy.random.default_rng(7)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name, shape in shapes.items():
            file.write((random.standard_normal(shape, numpy.float32) * 0.02).tobytes())


class Phases(unittest.TestCase):
    times = {}

    @classmethod
    def tearDownClass(cls):
        print("; ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in cls.times.items()))

    def ended(self, name, watched, number=signal.SIGTERM, bound=FIRST):
        self.times[name] = took = watched.stop(number)
        self.assertEqual(watched.program.returncode, -number, watched.messages)
        self.assertLess(took, bound)

    def goes_on(self, *words):
        result = box.run(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_rows(self):
        rows = "\n".join(chat_row(f"What costs item {i}?", f"Item {i} costs {i} euros.") for i in range(120000))
        box.write("many.jsonl", rows + "\n")
        box.write("many.yaml", FAQ.replace("rows.jsonl", "many.jsonl"))
        watched = Watched("train", "many.yaml", "--set", "store=runs/rows").says("device: ")
        time.sleep(0.1)
        self.ended("rows", watched)
        self.assertNotIn("train: ", watched.messages)
        self.assertEqual(stored("runs/rows", "runs/*"), [])

    def test_model(self):
        facts = FACTS
        for key, value in LARGE.items():
            facts = "\n".join(f"{key}: {value}" if line.startswith(key + ":") else line for line in facts.splitlines())
        box.write("large.yaml", facts + "\n")
        box.write("init.yaml", FAQ.replace("path: model", "init: large.yaml"))
        watched = Watched("train", "init.yaml", "--set", "store=runs/init").says("train: ")
        time.sleep(0.05)
        self.ended("model", watched)
        self.assertNotIn("model: ", watched.messages)
        self.assertEqual(half_files("runs/init"), [])

    def test_validation(self):
        rows = "\n".join(chat_row(f"What costs item {i}?", f"Item {i} costs {i} euros.") for i in range(5000))
        box.write("valid_many.jsonl", rows + "\n")
        box.write("valid.yaml", FAQ.replace("valid.jsonl", "valid_many.jsonl").replace("[loss]", "[loss], every: 0.2")
                  .replace("max_steps: 2", "max_steps: 3"))
        words = ["train", "valid.yaml", "--set", "store=runs/valid"]
        watched = Watched(*words).until(lambda: stored("runs/valid", "runs/*/log.jsonl"))
        time.sleep(0.1)
        self.ended("validation", watched)
        self.assertIn("stopped after step 1", watched.messages)
        self.assertEqual(stored("runs/valid", "runs/*/checkpoints/*"), ["step-000001"])
        self.assertEqual(half_files("runs/valid"), [])
        self.assertIn("resuming", self.goes_on(*words, "--set", "train.max_minutes=0.0001").stderr)

    def test_answers(self):
        rows = "\n".join(chat_row(f"What costs item {i}?", f"Item {i} costs {i} euros.") for i in range(300))
        box.write("asked.jsonl", rows + "\n")
        box.write("answers.yaml", FAQ.replace("valid.jsonl", "asked.jsonl").replace("[loss]", "[loss, f1]"))
        words = ["train", "answers.yaml", "--set", "store=runs/answers"]
        watched = Watched(*words).says("step 2/2: validation loss")
        time.sleep(0.3)
        self.ended("answers", watched)
        self.assertIn("stopped after training", watched.messages)
        self.assertEqual(stored("runs/answers", "runs/*/checkpoints/*")[-1:], ["step-000002"])
        self.assertEqual(stored("runs/answers", "snapshots/*"), [])
        result = self.goes_on(*words, "--set", "eval.metrics=[loss]")
        self.assertIn("resuming", result.stderr)
        self.assertEqual(stored("runs/answers", "snapshots/*"), ["0001"])

    def test_exports(self):
        choices = ["{format: gguf, encoding: q8_0}", "{format: hf}"]
        choices += [f"{{format: gguf, encoding: f16, to: out/{index}.gguf}}" for index in range(60)]
        words = ["train", "faq.yaml", "--set", "store=runs/exports", "--set"]
        many, few = "export=[" + ", ".join(choices) + "]", "export=[" + ", ".join(choices[:2]) + "]"
        watched = Watched(*words, many).until(lambda: box.path("out/1.gguf").exists())
        self.ended("exports", watched)
        self.assertFalse(box.path("out/59.gguf").exists(), "the exports were made before the signal came")
        self.assertEqual(half_files("out") + half_files("runs/exports"), [])
        self.assertEqual(stored("runs/exports", "snapshots/*"), ["0001"])
        run, = box.path("runs/exports").glob("runs/*")
        self.assertFalse((run / "summary.json").exists())
        gguf = box.path("runs/exports/exports/0001/faq-q8_0.gguf")
        kept = gguf.stat().st_mtime_ns
        shutil.rmtree(box.path("runs/exports/exports/0001/hf"))
        result = self.goes_on(*words, few)
        self.assertEqual(result.stdout, "runs/exports/snapshots/0001\n")
        self.assertEqual(stored("runs/exports", "snapshots/*"), ["0001"])
        self.assertEqual(gguf.stat().st_mtime_ns, kept)
        self.assertTrue(box.path("runs/exports/exports/0001/hf/config.json").exists())
        self.assertEqual(len(json.loads((run / "summary.json").read_text())["exports"]), 2)

    def test_training_and_a_second_signal(self):
        box.write("long.yaml", FAQ.replace("max_steps: 2", "epochs: 1000, save_minutes: 0.001"))
        words = ["train", "long.yaml", "--set", "store=runs/twice"]
        watched = Watched(*words).until(lambda: stored("runs/twice", "runs/*/checkpoints/step-*"))
        self.ended("training", watched, signal.SIGINT)
        self.assertIn("stopped after step", watched.messages)
        self.assertEqual(half_files("runs/twice"), [])
        before = stored("runs/twice", "runs/*/checkpoints/step-*")
        watched = Watched(*words).until(lambda: stored("runs/twice", "runs/*/checkpoints/step-*") != before)
        self.times["a second signal"] = took = watched.stop(signal.SIGTERM, signal.SIGINT)
        self.assertIn(watched.program.returncode, (-signal.SIGTERM, -signal.SIGINT))
        self.assertLess(took, SECOND)
        run, = box.path("runs/twice").glob("runs/*")
        self.assertTrue(list(run.glob("checkpoints/step-*/state.json")))
        self.assertIn("resuming", self.goes_on(*words, "--set", "train.max_minutes=0.001").stderr)

    def test_export_command(self):
        watched = Watched("export", "large", "--format", "gguf", "--encoding", "q8_0", "--to", "made/large.gguf")
        watched.until(lambda: box.path("made").exists() and any(box.path("made").iterdir()))
        self.ended("export to GGUF", watched)
        self.assertEqual(list(box.path("made").iterdir()), [])
        watched = Watched("merge", "large", "--to", "made/merged")
        watched.until(lambda: any(box.path("made").iterdir()))
        self.ended("merge", watched, signal.SIGINT)
        self.assertEqual(list(box.path("made").iterdir()), [])

    def test_commands_that_only_read(self):
        rows = "\n".join(chat_row(f"What costs item {i}?", f"Item {i} costs {i} euros.") for i in range(300))
        box.write("read.jsonl", rows + "\n")
        commands = {"eval": ["large", "--data", "read.jsonl"], "chat": ["large"],
                    "generate": ["large", "--prompt", "What costs item 3?", "--max-tokens", "200"]}
        for name, words in commands.items():
            watched = Watched(name, *words).says("device: ")
            time.sleep(0.3)
            self.ended(name, watched, signal.SIGINT)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        make_large_model()
        unittest.main()
