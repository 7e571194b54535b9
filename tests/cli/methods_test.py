"""Training methods through the program: DoRA, PiSSA, LoRA+, NEFTune and 8-bit AdamW are trained, kept as PEFT keeps them, read
back with the same loss, and refused where they have no meaning."""
import json
import unittest

from safetensors import safe_open

from sandbox import Sandbox

VALUES = {"F32": 4, "U8": 1}


def train(name, *settings, recipe="faq.yaml", words=()):
    line = ["train", recipe, "--set", "store=runs/" + name, "--set", "train.max_steps=4", *words]
    for setting in settings:
        line += ["--set", setting]
    return box.run(*line)


def tensors(path):
    with safe_open(path, framework="np") as file:
        return {name: (file.get_slice(name).get_dtype(), file.get_slice(name).get_shape()) for name in file.keys()}


def snapshot_base(snapshot):
    return json.loads((snapshot / "adapter_config.json").read_text())["base_model_name_or_path"]


class Methods(unittest.TestCase):
    def trained(self, name, *settings, **options):
        result = train(name, *settings, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        snapshot = box.path(f"runs/{name}/snapshots/0001")
        config = snapshot / "adapter_config.json"
        metrics = json.loads((snapshot / "metrics.json").read_text())
        return snapshot, json.loads(config.read_text()) if config.exists() else None, metrics

    def same_loss_when_read_back(self, name, metrics):
        report = json.loads(box.must("eval", f"runs/{name}#1", "--data", "valid.jsonl", "--json").stdout)
        losses = {model["model"]: model["loss"] for model in report["models"]}
        self.assertAlmostEqual(losses[f"runs/{name}#1"], metrics["valid_loss"], places=5)
        self.assertGreater(abs(losses["base"] - metrics["valid_loss"]), 1e-3)

    def test_dora(self):
        snapshot, config, metrics = self.trained("dora", "lora.variant=dora", "lora.dropout=0.1")
        self.assertIs(config["use_dora"], True)
        names = tensors(snapshot / "adapter_model.safetensors")
        self.assertEqual(names["base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector"], ("F32", [64]))
        self.same_loss_when_read_back("dora", metrics)

    def test_dora_over_4_bits(self):
        self.trained("dora4", "lora.variant=dora", "model.quant=nf4", "lora.targets=[q_proj]")

    def test_pissa(self):
        snapshot, config, metrics = self.trained("pissa", "lora.init=pissa")
        self.assertEqual((config["r"], config["lora_alpha"], config["init_lora_weights"]), (8, 16, True))
        names = tensors(snapshot / "adapter_model.safetensors")
        self.assertEqual(names["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"], ("F32", [8, 32]))
        self.same_loss_when_read_back("pissa", metrics)

    def test_a_snapshot_of_pissa_is_continued_as_lora(self):
        self.trained("twice", "lora.init=pissa")
        from_it = FOLLOW.replace("STORE", "twice")
        box.write("follow.yaml", from_it)
        self.trained("follow", recipe="follow.yaml")
        box.write("follow.yaml", from_it + "lora: {rank: 8, alpha: 16, init: pissa}\n")
        refused = train("follow2", recipe="follow.yaml")
        self.assertEqual(refused.returncode, 78)
        self.assertIn("error[R009]", refused.stderr)

    def test_lora_plus_goes_on_with_an_adapter_too(self):
        box.write("follow.yaml", FOLLOW.replace("STORE", "faq"))
        plain = self.trained("plus1", recipe="follow.yaml")[2]
        box.write("follow.yaml", FOLLOW.replace("STORE", "faq") + "lora: {rank: 4, alpha: 8, plus_ratio: 16}\n")
        plus = self.trained("plus2", recipe="follow.yaml")[2]
        self.assertNotEqual(plain["train_loss"], plus["train_loss"])

    def test_noise_and_8_bit_moments(self):
        self.trained("noise", "train.neftune_alpha=5", "train.optimizer=adamw8bit", "lora.rank=64")
        checkpoint = sorted(box.path("runs/noise").glob("runs/*/checkpoints/step-*"))[-1]
        state = tensors(checkpoint / "optimizer.safetensors")
        weights = tensors(checkpoint / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.lora_B.weight"  # [64, 64]
        self.assertEqual(state[name + ".exp_avg"], ("U8", [64, 64]))
        self.assertEqual(state[name + ".exp_avg_sq.absmax"], ("F32", [16]))
        self.assertEqual(weights[name], ("F32", [64, 64]))

    def test_8_bit_moments_of_full_training(self):
        result = train("full8", "train.optimizer=adamw8bit", recipe="base.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        checkpoint = sorted(box.path("runs/full8").glob("runs/*/checkpoints/step-*"))[-1]
        state = tensors(checkpoint / "optimizer.safetensors")
        self.assertEqual(state["model.embed_tokens.weight.exp_avg"], ("U8", [2048, 32]))
        self.assertEqual(state["model.norm.weight.exp_avg"], ("F32", [32]))
        large = [name for name, (kind, _) in state.items() if kind == "U8" and name.endswith(".exp_avg")]
        size = values = 0
        for name, (kind, shape) in state.items():
            count = 1
            for length in shape:
                count *= length
            if any(name.startswith(one.removesuffix(".exp_avg")) for one in large):
                size += count * VALUES[kind]
                values += count * name.endswith(".exp_avg")
        self.assertLessEqual(size, 2.1 * values)

    def refused(self, code, *texts, settings, recipe="faq.yaml"):
        result = train("refused", *settings, recipe=recipe)
        self.assertEqual(result.returncode, 78, result.stderr)
        for text in (f"error[{code}]", *texts):
            self.assertIn(text, result.stderr)

    def test_words_of_other_tools_are_answered(self):
        for word in ("adamw_8bit", "paged_adamw_8bit", "adamw_bnb_8bit"):
            self.refused("R005", "did you mean 'adamw8bit'?", settings=["train.optimizer=" + word])
        self.refused("R005", "did you mean 'adamw'?", settings=["train.optimizer=adamw_torch"])
        self.refused("R012", "did you mean 'lora.plus_ratio'?", settings=["lora.loraplus_lr_ratio=16"])
        self.refused("R012", "did you mean 'train.neftune_alpha'?", settings=["train.neftune_noise_alpha=5"])

    def test_an_adapter_is_handed_over_as_gguf(self):
        snapshot, config, _ = self.trained("adapter", "export=[{format: gguf-lora}]", "lora.init=pissa", "lora.variant=rslora")
        self.assertEqual(config["r"], 8)
        made = box.path("runs/adapter/exports/0001/faq-LoRA.gguf").read_bytes()
        self.assertEqual(made[:4], b"GGUF")
        again = json.loads(box.must("export", "runs/adapter#1", "--format", "gguf-lora", "--to", "again/faq.gguf",
                                    "--json").stdout)
        self.assertEqual((again["format"], again["tensors"]), ("gguf-lora", 2 * 2 * 7))
        self.assertEqual(box.path("again/faq.gguf").read_bytes(), made)
        for line, code, text in (
                (["runs/adapter#1", "--to", "again/faq.gguf"], 73, "error[W004]"),
                (["runs/adapter#1", "--to", "more.gguf", "--encoding", "f16"], 64, "--encoding belongs to --format gguf"),
                ([snapshot_base(snapshot), "--to", "more.gguf"], 64, "error[U005]")):
            result = box.run("export", *line, "--format", "gguf-lora")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(text, result.stderr)

    def test_what_has_no_meaning_together_is_refused(self):
        adapter = "export=[{format: gguf-lora}]"
        self.refused("R007", "DoRA", settings=["lora.variant=dora", adapter])
        self.refused("R007", "method full", settings=[adapter], recipe="base.yaml")
        self.refused("R007", "'encoding' belongs to format gguf", settings=["export=[{format: gguf-lora, encoding: f16}]"])
        self.refused("R007", "lora.init", settings=["lora.variant=dora", "lora.init=pissa"])
        self.refused("R007", "method full", settings=["lora.plus_ratio=16"], recipe="base.yaml")
        for setting in ("lora.variant=dora", "lora.dropout=0.1"):
            self.refused("R007", "'train.matmul: int8'", settings=["train.matmul=int8", setting])
        self.refused("R007", "method full", settings=["train.matmul=fp8"], recipe="base.yaml")
        self.refused("R005", "'fp8'", settings=["train.matmul=fp4"])

    def test_8_bit_products_want_a_gpu(self):
        for word in ("fp8", "int8"):
            result = train("products", "train.matmul=" + word, words=["--device", "cpu"])
            self.assertEqual(result.returncode, 69, result.stderr)
            self.assertIn(f"error[G015]: '{word}' products are not available on the CPU", result.stderr)
        self.assertFalse(box.path("runs/products/runs").exists())

    def test_inputs_that_wait_in_memory_change_nothing(self):
        plain = self.trained("plain", "train.recompute_whole=all", "train.recompute=all")[2]
        waits = self.trained("waits", "train.recompute_whole=all", "train.recompute=all", "train.offload=inputs",
                             "train.graphs=none")[2]
        self.assertEqual(plain["valid_loss"], waits["valid_loss"])

    def test_another_value_goes_not_on(self):
        result = train("kept", words=["--set", "train.max_minutes=0.000001", "--set", "train.max_steps=50"])
        self.assertEqual(result.returncode, 0, result.stderr)
        for number, setting in enumerate(("train.optimizer=adamw8bit", "lora.init=pissa")):
            run = sorted(box.path("runs/kept").glob("runs/*"))[0]
            started = train("kept", setting, "train.max_steps=50",
                            words=["--resume", str(run), "--resume-as-new"])
            self.assertEqual(started.returncode, 78, (number, started.stderr))
            self.assertIn("error[T012]", started.stderr)
            self.assertIn(f"'{setting.split('=')[0]}' is ", started.stderr)


FOLLOW = """name: follow
model: {from: runs/STORE#1}
method: lora
data:
  train: [{path: rows.jsonl}]
  valid: {path: valid.jsonl}
  max_tokens: 128
train: {max_steps: 4, batch_rows: 2, learning_rate: 1.0e-3}
eval: {metrics: [loss]}
"""


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
