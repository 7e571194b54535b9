"""What the GPU benchmarks work out beside their runs: weights, the longest row, the card's memory, speeds, reasons."""
import json
import os
import pathlib
import struct
import sys
import tempfile
import time
import unittest
from unittest import mock

SOURCE = pathlib.Path(os.environ["SLMTUNE_SOURCE"])
sys.path.insert(0, str(SOURCE / "benchmarks"))
sys.dont_write_bytecode = True
import gpu_matmul
import gpu_peers
import gpu_training
import random_model
import training_bench
import training_cases as cases


def header_of(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


class Weights(unittest.TestCase):
    def test_every_shape_has_the_parameters_of_its_name(self):
        for shape, billions in (("qwen2.5-1.5b", 1.5437), ("qwen2.5-7b", 7.6156), ("llama3.1-8b", 8.0303),
                                ("qwen2.5-14b", 14.770)):
            bytes_ = random_model.model_bytes(cases.config_of(shape, "bfloat16"), "bfloat16")
            self.assertAlmostEqual(bytes_ / 2e9, billions, delta=1e-3 * billions, msg=shape)

    def test_files_hold_normal_numbers_and_ones(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            config = cases.config_of("llama-tiny", "bfloat16")
            random_model.write_model(folder / "model", config, "bfloat16", 7)
            header, data = header_of(folder / "model/model.safetensors")
            self.assertEqual(len(data), random_model.model_bytes(config, "bfloat16"))

            def values(name):
                begin, end = header[name]["data_offsets"]
                upper = struct.unpack(f"<{(end - begin) // 2}H", data[begin:end])
                return [struct.unpack("<f", struct.pack("<I", value << 16))[0] for value in upper]
            self.assertEqual(set(values("model.norm.weight")), {1.0})
            numbers = values("model.layers.1.mlp.up_proj.weight")
            deviation = (sum(x * x for x in numbers) / len(numbers)) ** 0.5
            self.assertAlmostEqual(deviation, 0.02, delta=0.001)
            self.assertGreater(len(set(numbers)), 1000)
            random_model.write_adapter(folder / "adapter", config, 4, 7)
            header, data = header_of(folder / "adapter/adapter_model.safetensors")
            self.assertEqual(header["base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight"]["shape"], [32, 4])

    def test_a_disk_that_is_too_small_is_refused_before_writing(self):
        with tempfile.TemporaryDirectory() as folder:
            bench = mock.Mock(work=pathlib.Path(folder))
            case = cases.Case("qwen2.5-14b", "2x2048", "bfloat16", 3, 1, device="cuda")
            with mock.patch("shutil.disk_usage", return_value=mock.Mock(free=20 << 30)):
                with self.assertRaisesRegex(training_bench.RunFailed, "need 28 GiB in .* 20 GiB are free"):
                    training_bench.Bench.check_disk(bench, pathlib.Path(folder) / "model",
                                                    cases.config_of(case.shape, case.dtype), case)


class LongestRow(unittest.TestCase):
    def found(self, limit):
        with mock.patch.object(gpu_peers, "fits", lambda bench, tokens, side: tokens <= limit):
            return gpu_peers.longest_row(None, lambda tokens: tokens, "slmtune")

    def test_is_within_a_sixteenth_below_the_limit(self):
        for limit in (1024, 1500, 2047, 5000, 21_848, 78_475, 131_071):
            row = self.found(limit)
            self.assertLessEqual(row, limit)
            self.assertEqual(row % 1024, 0)
            self.assertGreater(row + max(1024, row // 16), limit - 1024, limit)

    def test_is_none_where_nothing_fits_and_ends_at_the_largest(self):
        self.assertEqual(self.found(1000), 0)
        self.assertEqual(self.found(1 << 30), gpu_peers.LONGEST_ROW)


class LongestRowTable(unittest.TestCase):
    def test_every_side_is_tried_within_every_cap(self):
        tried = []

        def fits(bench, case, side):
            tried.append((case.memory_gib, case.batch, side))
            return int(case.batch.removeprefix("1x")) <= (4096 if case.memory_gib == 12 else 8192) * (2 if side == "slmtune" else 1)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(gpu_peers, "fits", fits), \
                mock.patch.object(gpu_peers, "present", lambda sides, base: sides), \
                mock.patch.object(sys, "argv", ["gpu_peers.py", "slmtune", "--longest", "12,24", "--shape", "llama3.1-8b",
                                                "--method", "qlora", "--sides", "slmtune,peer", "--out", folder + "/longest"]):
            options = gpu_peers.parse()
            gpu_peers.contexts(options, mock.Mock(out=pathlib.Path(options.out)))
            text = pathlib.Path(folder, "longest.longest.md").read_text()
        for line in ("| llama3.1-8b | nf4 | 12 | slmtune | 8192 |", "| llama3.1-8b | nf4 | 12 | peer | 4096 |",
                     "| llama3.1-8b | nf4 | 24 | slmtune | 16384 |", "| llama3.1-8b | nf4 | 24 | peer | 8192 |"):
            self.assertIn(line, text)
        self.assertEqual({cap for cap, _, _ in tried}, {12.0, 24.0})


class Plan(unittest.TestCase):
    def test_what_was_foreseen_stands_beside_what_came(self):
        record = {"tokens_per_second": 1000.0, "plan": {"bytes": 9 << 30, "used_bytes": 10 << 30, "tokens_per_second": 1200.0}}
        self.assertEqual(gpu_training.plan_row("a", [record]), ("a", "9.00", "10.00", "-10 %", "1200", "1000", "+20 %"))
        record["plan"] = {"bytes": 9 << 30, "used_bytes": None, "tokens_per_second": None}
        self.assertEqual(gpu_training.plan_row("a", [record])[1:], ("9.00", "–", "–", "–", "1000", "–"))

    def test_the_foreseen_speed_is_read_from_what_the_program_says(self):
        line = "time: about 3 min 20 s (2 min 54 s to 4 min 21 s), 51234 tokens/s\n"
        self.assertEqual(training_bench.PLANNED_SPEED.search(line)[1], "51234")


SLMTUNE = """#!/usr/bin/env python3
# Answers right as often as its products are exact; has no fp8.
import json, pathlib, sys
if sys.argv[1] == "train":
    recipe = json.loads(pathlib.Path(sys.argv[2]).read_text())
    kind = recipe["train"]["matmul"]
    if kind == "fp8":
        sys.exit("error[G015]: 'fp8' products are not available")
    print(json.dumps({"snapshot_path": kind, "last_loss": 0.5, "tokens_per_second": 100.0, "gpu": {"peak_bytes": 1 << 30}}, indent=1))
else:
    assert sys.argv[1] == "chat" and "--greedy" in sys.argv
    right = {"bf16": 3, "int8": 2}.get(sys.argv[2], 1)
    questions = [line for line in sys.stdin.read().splitlines() if line != "/reset"]
    for i, line in enumerate(questions):
        print(json.dumps({"text": f"so it is\\n#### {line.split()[-1] if i < right else 1234567}"}, indent=1))
"""


class Matmul(unittest.TestCase):
    def test_the_final_number_is_the_one_behind_the_mark(self):
        for text, number in (("3 + 4 = 7\n#### 1,234", 1234.0), ("she pays $18.50.", 18.5), ("no", None), ("#### ", None),
                             ("5 apples, then 7", 7.0), ("#### -3 apples of 9", -3.0)):
            self.assertEqual(gpu_matmul.final_number(text), number, text)

    def test_each_kind_of_product_is_trained_and_judged(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            program = folder / "slmtune"
            program.write_text(SLMTUNE)
            program.chmod(0o755)
            (folder / "test.jsonl").write_text("".join(
                json.dumps({"question": f"what\nis {i}", "answer": f"it is\n#### {i}"}) + "\n" for i in (10, 20, 30, 40)))
            with mock.patch("sys.stdout"), mock.patch("sys.stderr"):
                self.assertEqual(gpu_matmul.main([str(program), "--model", "m", "--gsm8k", str(folder), "--out",
                                                  str(folder / "out")]), 0)
            page = (folder / "out.md").read_text()
            for line in ("| untrained | 25.0 % | 21.7 % | 4 |", "| bf16 | 75.0 % | 21.7 % | 4 | 0.5000 | – | 100 | 1.00 |",
                         "| int8 | 50.0 % | 25.0 % | 4 |"):
                self.assertIn(line, page)
            self.assertNotIn("fp8 |", page)
            kinds = json.loads((folder / "out.json").read_text())["kinds"]
            self.assertEqual([kind["products"] for kind in kinds], [None, "bf16", "int8"])

    def test_a_run_that_fails_is_told_and_the_others_go_on(self):
        with mock.patch.object(gpu_matmul, "judged", side_effect=RuntimeError("error[G013]: full")), \
                tempfile.TemporaryDirectory() as folder, mock.patch("sys.stdout"), mock.patch("sys.stderr"):
            pathlib.Path(folder, "test.jsonl").write_text("{}\n")
            self.assertEqual(gpu_matmul.main(["slmtune", "--model", "m", "--gsm8k", folder, "--out", folder + "/out"]), 1)


class Readings(unittest.TestCase):
    def test_memory_is_the_cards_most_over_what_was_taken_before(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "nvidia-smi")
            program.write_text("#!/bin/sh\nfor mib in 500 500 9000 700; do echo $mib; done\nexec sleep 60\n")
            program.chmod(0o755)
            with mock.patch.dict(os.environ, {"PATH": f"{folder}:{os.environ['PATH']}"}):
                card = training_bench.CardMemory()
                while len(card.readings) < 4:
                    time.sleep(0.01)
                self.assertEqual(card.stop(), 8500 << 20)
            with mock.patch("shutil.which", return_value=None):
                self.assertIsNone(training_bench.CardMemory().stop())

    def test_speed_on_a_gpu_is_that_of_all_counted_steps(self):
        case = cases.Case("llama-tiny", "2x64", "bfloat16", 3, 1, device="cuda")
        steps = [{"step": 1, "tokens": 128, "seconds": 9.0}, {"step": 2, "tokens": 128, "seconds": 0.1},
                 {"step": 3, "tokens": 128, "seconds": 0.3}]
        self.assertAlmostEqual(training_bench.speed(case, steps), 640)

    def test_a_failure_is_told_by_its_error_line(self):
        failure = training_bench.RunFailed("'slmtune' ended with 69:\ndevice: H200\nm.yaml: error[G013]: full\nhelp: less\n")
        self.assertEqual(gpu_training.reason(failure), "m.yaml: error[G013]: full")
        self.assertEqual(gpu_training.reason(training_bench.RunFailed("'x' ended with -9:\n")), "'x' ended with -9:")

    def test_recomputing_is_asked_for_in_the_recipe(self):
        with tempfile.TemporaryDirectory() as folder:
            rows = pathlib.Path(folder, "rows.jsonl")
            rows.write_text(json.dumps({"input_ids": [5] * 64, "labels": [5] * 64}) + "\n")
            job = {"rows": str(rows), "model": "m", "adapter": "a", "batch_rows": 2}
            for word, expected in (("auto", None), ("always", "all")):
                case = cases.Case("llama-tiny", "2x64", "bfloat16", 3, 1, device="cuda", base="nf4", recompute=word)
                recipe = json.loads(training_bench.Bench.recipe(None, case, "slmtune", job, "store"))
                self.assertEqual(recipe["train"].get("recompute"), expected)
                self.assertEqual((recipe["model"]["quant"], recipe["model"]["device"]), ("nf4", "cuda"))
                self.assertEqual(recipe["train"]["micro_batch_tokens"], 128)

    def test_batches_are_rows_times_tokens_or_rows_of_text(self):
        self.assertEqual(cases.batch_of("2x2048"), (2, 2048))
        self.assertEqual(cases.batch_of("gsm8k-8"), (8, None))
        for wrong in ("2048", "gsm8k-", "x", "alpaca-8"):
            with self.assertRaises(ValueError, msg=wrong):
                cases.batch_of(wrong)


if __name__ == "__main__":
    unittest.main()
