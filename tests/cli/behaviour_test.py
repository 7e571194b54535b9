"""Promises of the command line that hold for every command: help with an example, data on stdout and messages on stderr,
no escape bytes off a terminal, JSON that parses, a resolved recipe that reads back."""
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import unittest

from sandbox import PROGRAM, SOURCE, Sandbox
from terminal import read_to_end

COMMANDS = ["pull", "train", "eval", "generate", "chat", "merge", "export", "deploy", "inspect", "data preview", "data tokenize",
            "snapshots list", "snapshots show", "explain"]
SNAPSHOT = "runs/faq#1"


class Behaviour(unittest.TestCase):
    def run_json(self, *words):
        return json.loads(box.must(*words, "--json").stdout)

    def test_help_of_each_command_has_an_example_and_defaults(self):
        for command in COMMANDS:
            result = box.must(*command.split(), "--help")
            self.assertIn("Example:\n  slmtune " + command, result.stdout)
            options = re.findall(r"^  +(--[a-z-]+|-[a-z],--[a-z]+).*?(?=^  +-|\Z)", result.stdout, re.M | re.S)
            self.assertTrue(options, command)
        for group in ("data", "snapshots"):
            self.assertIn("Example:", box.must(group, "--help").stdout)

    def test_version_and_help_go_to_stdout(self):
        self.assertRegex(box.must("--version").stdout, r"^slmtune \d+\.\d+\.\d+\n$")
        result = box.must("--help")
        self.assertEqual(result.stderr, "")
        for command in COMMANDS:
            self.assertIn(command.split()[0], result.stdout)

    def test_the_program_starts_without_libtorch(self):
        needed = subprocess.run(["readelf", "--dynamic", PROGRAM], capture_output=True, text=True, check=True).stdout
        self.assertIn("NEEDED", needed)
        self.assertNotRegex(needed, r"NEEDED.*lib(torch|c10|gomp|cudart)")

    def test_a_program_without_its_engine_says_so_and_still_helps(self):
        alone = pathlib.Path(shutil.copy(PROGRAM, box.root / "slmtune-alone"))
        result = subprocess.run([alone, "inspect", SNAPSHOT], cwd=box.root, capture_output=True, text=True)
        self.assertEqual(result.returncode, 69)
        self.assertRegex(result.stderr, r"^.*/libslmtune_engine\.so: error\[G005\]: this part of the program is missing\nhelp: ")
        (box.root / "libslmtune_engine.so").write_bytes(b"not a library")
        result = subprocess.run([alone, "inspect", SNAPSHOT], cwd=box.root, capture_output=True, text=True)
        self.assertEqual(result.returncode, 69)
        self.assertRegex(result.stderr, r"libslmtune_engine\.so: error\[G005\]: cannot be loaded: ")
        self.assertIn("Example:", subprocess.run([alone, "--help"], capture_output=True, text=True, check=True).stdout)

    def test_no_escape_bytes_off_a_terminal(self):
        for words in (["train", "faq.yaml", "--resume", "never"], ["data", "preview", "faq.yaml"], ["inspect", SNAPSHOT],
                      ["eval", SNAPSHOT, "--data", "valid.jsonl"], ["train", "nothing.yaml"], ["--help"]):
            result = box.run(*words)
            self.assertNotIn("\x1b", result.stdout + result.stderr, words)

    def test_no_color_is_honoured_on_a_terminal(self):
        def on_terminal(*more, **environment):
            main_end, program_end = pty.openpty()
            subprocess.run([PROGRAM, "data", "preview", "faq.yaml", *more], cwd=box.root, stdout=program_end, stderr=program_end,
                           env={**box.environment(), **environment}, check=True)
            os.close(program_end)
            return read_to_end(main_end)
        self.assertIn(b"\x1b[", on_terminal())
        self.assertNotIn(b"\x1b", on_terminal(NO_COLOR="1"))
        self.assertNotIn(b"\x1b", on_terminal("--no-color"))

    def test_last_line_of_train_is_the_snapshot(self):
        result = box.must("train", "faq.yaml", "--resume", "never")
        folder = result.stdout.strip().splitlines()[-1]
        self.assertTrue(box.path(folder, ).joinpath("adapter_model.safetensors").exists(), folder)
        self.assertEqual(result.stdout.count("\n"), 1)

    def test_quiet_prints_nothing_on_stderr(self):
        self.assertEqual(box.must("train", "faq.yaml", "--resume", "never", "-q").stderr, "")
        self.assertEqual(box.must("eval", SNAPSHOT, "--data", "valid.jsonl", "-q").stderr, "")

    def test_resolved_recipe_reads_back_as_itself(self):
        for recipe in ("faq.yaml", "base.yaml"):
            text = box.must("train", recipe, "--print-recipe").stdout
            box.write("resolved.yaml", text)
            self.assertEqual(box.must("train", "resolved.yaml", "--print-recipe").stdout, text)

    def test_set_wins_over_the_recipe_and_the_run_keeps_the_result(self):
        text = box.must("train", "faq.yaml", "--print-recipe", "--set", "train.seed=11", "--set", "lora.targets=[q_proj, v_proj]",
                        "--device", "cpu").stdout
        self.assertIn("\n  seed: 11\n", text)
        self.assertIn("\n  targets: [q_proj, v_proj]\n", text)
        self.assertIn("\n  device: cpu\n", text)
        kept = [path.read_text() for path in box.path("runs/faq/runs").glob("*/recipe.yaml")]
        self.assertIn(box.must("train", "faq.yaml", "--print-recipe").stdout, kept)

    def test_dry_run_writes_nothing(self):
        before = sorted(box.root.rglob("*"))
        result = box.must("train", "faq.yaml", "--dry-run", "--set", "store=runs/untouched")
        self.assertEqual(sorted(box.root.rglob("*")), before)
        self.assertEqual(result.stdout, "faq: 2 steps of 2 rows; nothing was written\n")
        self.assertIn("train: 10 rows", result.stderr)

    def test_eval_shows_base_and_adapter(self):
        scores = self.run_json("eval", SNAPSHOT, "--data", "valid.jsonl", "--metrics", "loss,exact_match,f1", "--max-tokens", "4")
        self.assertEqual([model["model"] for model in scores["models"]], ["base", SNAPSHOT])
        self.assertEqual(scores["rows"], 2)
        for model in scores["models"]:
            self.assertGreater(model["label_tokens"], 0)
            self.assertEqual(model["answers"], 2)
            self.assertAlmostEqual(model["perplexity"], 2.718281828459045 ** model["loss"], delta=model["perplexity"] * 1e-6)
        base = self.run_json("eval", "model", "--data", "valid.jsonl")["models"][0]
        self.assertAlmostEqual(base["loss"], scores["models"][0]["loss"], delta=1e-6)

    def test_eval_of_a_recipe_takes_its_newest_snapshot_and_validation_rows(self):
        scores = self.run_json("eval", "faq.yaml")
        self.assertEqual(scores["models"][-1]["model"], "runs/faq#latest")
        self.assertEqual(scores["data"], "valid.jsonl")

    def test_generate_is_repeatable_and_streams_what_json_holds(self):
        words = ["generate", SNAPSHOT, "--prompt", "What costs item 3?", "--max-tokens", "8"]
        answer = self.run_json(*words, "--greedy")
        self.assertEqual(box.must(*words, "--greedy").stdout, answer["text"] + "\n")
        self.assertEqual(self.run_json(*words, "--seed", "5"), self.run_json(*words, "--seed", "5"))
        self.assertLessEqual(len(answer["ids"]), 8)
        self.assertEqual(self.run_json("generate", "model", "--adapter", "runs/faq/snapshots/0001", *words[2:], "--greedy"), answer)

    def test_raw_prompt_has_no_template(self):
        raw = self.run_json("generate", "model", "--prompt", "Item 3 costs", "--raw", "--greedy", "--max-tokens", "4")
        chat = self.run_json("generate", "model", "--prompt", "Item 3 costs", "--greedy", "--max-tokens", "4")
        self.assertNotEqual(raw["ids"], [])
        self.assertNotEqual(raw["ids"], chat["ids"])

    def test_chat_answers_each_line_off_a_terminal(self):
        lines = "What costs item 3?\nAnd item 4?\n/reset\nWhat costs item 3?\n/quit\nnever read\n"
        result = box.must("chat", SNAPSHOT, "--greedy", "--max-tokens", "4", "--json", stdin=lines)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), 3)
        self.assertEqual(answers[0], answers[2])

    def test_merged_folder_answers_as_the_adapter_does(self):
        box.must("merge", SNAPSHOT, "--to", "merged")
        words = ["--prompt", "What costs item 3?", "--greedy", "--max-tokens", "6"]
        self.assertEqual(self.run_json("generate", "merged", *words), self.run_json("generate", SNAPSHOT, *words))

    def test_exports_are_readable_and_reported(self):
        for encoding in ("f32", "f16", "bf16", "q8_0"):
            report = self.run_json("export", SNAPSHOT, "--encoding", encoding, "--to", f"reported/{encoding}.gguf")
            self.assertEqual(report["bytes"], box.path(f"reported/{encoding}.gguf").stat().st_size)
            seen = self.run_json("inspect", f"reported/{encoding}.gguf")
            self.assertEqual(len(seen["tensors"]), report["tensors"])
            self.assertEqual(seen["metadata"]["general.architecture"], "llama")
        self.assertIn("FROM ./f32.gguf", box.path("reported/Modelfile").read_text())
        box.must("export", SNAPSHOT, "--format", "hf", "--to", "reported/hf")
        self.assertEqual(self.run_json("inspect", "reported/hf")["architecture"], "LlamaForCausalLM")

    def test_a_gguf_file_answers_and_scores_as_the_snapshot_it_was_made_from(self):
        file = "served/served.gguf"
        box.must("export", SNAPSHOT, "--encoding", "f32", "--to", file)
        box.must("merge", SNAPSHOT, "--to", "served/hf")
        words = ["--prompt", "What costs item 3?", "--greedy", "--max-tokens", "6"]
        self.assertEqual(self.run_json("generate", file, *words), self.run_json("generate", "served/hf", *words))
        ours = ["eval", file, "--data", "valid.jsonl"]
        scores = [self.run_json("eval", model, *ours[2:])["models"][0] for model in (file, "served/hf")]
        self.assertEqual(scores[0].pop("model"), file)
        scores[1].pop("model")
        self.assertEqual(*scores)
        answer = box.must("chat", file, "--greedy", "--max-tokens", "4", "--json", stdin="What costs item 3?\n")
        self.assertEqual(len(answer.stdout.splitlines()), 1)
        ids = [box.must("data", "tokenize", "--model", model, "valid.jsonl").stdout for model in (file, "model")]
        self.assertEqual(*ids)

    def test_inspect_tells_what_a_gguf_file_holds_and_whether_it_can_be_run(self):
        box.must("export", SNAPSHOT, "--encoding", "q8_0", "--to", "out/shown.gguf")
        seen = self.run_json("inspect", "out/shown.gguf")
        expected = {"architecture": "llama", "file_type": "q8_0", "template": "chatml", "runs": True}
        self.assertEqual({key: seen[key] for key in expected}, expected)
        self.assertEqual(seen["tokenizer"], {"kind": "byte-level BPE", "tokens": 2048, "split": "qwen2"})
        self.assertEqual(sum(stored["bytes"] for stored in seen["encodings"]), seen["bytes"])
        self.assertEqual({stored["name"] for stored in seen["encodings"]}, {"f32", "q8_0"})
        text = box.must("inspect", "out/shown.gguf").stdout
        self.assertIn("\nslmtune can run it\n", text)
        raw = box.path("out/shown.gguf").read_bytes()
        box.write("out/other.gguf", raw.replace(b"llama.context_length", b"lmama.context_length"))
        seen = self.run_json("inspect", "out/other.gguf")
        self.assertEqual((seen["runs"], seen["code"]), (False, "F100"))
        self.assertIn("'llama.context_length'", seen["why"])
        types = b"tokenizer.ggml.token_type" + struct.pack("<I", 9)  # an array …
        self.assertIn(types + struct.pack("<I", 5), raw)  # … of int32, which other programs store without sign
        box.write("out/unsigned.gguf", raw.replace(types + struct.pack("<I", 5), types + struct.pack("<I", 4)))
        seen = self.run_json("inspect", "out/unsigned.gguf")
        self.assertEqual((seen["runs"], seen["metadata"]["tokenizer.ggml.token_type"]), (True, {"length": 2048}))

    def test_a_gguf_file_is_no_base_for_training_merging_or_adapters(self):
        box.must("export", SNAPSHOT, "--encoding", "f16", "--to", "out/base.gguf")
        for words, code in ((["merge", "out/base.gguf", "--to", "out/no"], "U005"),
                            (["export", "out/base.gguf", "--to", "out/no.gguf"], "U005"),
                            (["train", "faq.yaml", "--set", "model.path=out/base.gguf"], "U005"),
                            (["generate", "out/base.gguf", "--adapter", "runs/faq/snapshots/0001", "--prompt", "x"], "U006")):
            result = box.run(*words)
            self.assertEqual(result.returncode, 64, result.stderr)
            self.assertIn(f"error[{code}]", result.stderr)

    def test_exports_of_the_recipe_lie_in_the_store(self):
        summary = self.run_json("train", "faq.yaml", "--set", "export=[{format: gguf, encoding: q8_0}, {format: hf}]")
        folder = f"runs/faq/exports/{summary['snapshot']:04}"
        self.assertEqual([made["path"] for made in summary["exports"]], [f"{folder}/faq-q8_0.gguf", f"{folder}/hf"])
        self.assertTrue(box.path(folder + "/Modelfile").exists())

    def test_inspect_knows_every_kind(self):
        checkpoint = next(box.path("runs/faq/runs").glob("*/checkpoints/step-*"))
        kinds = {SNAPSHOT: "snapshot", "runs/base#1": "snapshot", "model": "model", "tokenizer": "tokenizer",
                 "model/model.safetensors": "safetensors", str(checkpoint): "checkpoint"}
        for path, kind in kinds.items():
            self.assertEqual(self.run_json("inspect", path)["kind"], kind)
            self.assertNotEqual(box.must("inspect", path).stdout, "")

    def test_preview_marks_what_is_trained(self):
        with_template = box.must("data", "preview", "faq.yaml", "--rows", "1").stdout
        self.assertIn("⟦Item 0 costs 3 euros.<|im_end|>", with_template)
        self.assertRegex(with_template, r"\nids: [\d ]+ ⟦[\d ]+ 2⟧ \d+\n")
        self.assertIn("\nends with <|im_end|> (id 2), which stops an answer\n", with_template)
        self.assertNotIn("\nids: ", box.must("data", "preview", "faq.yaml", "--rows", "1", "--no-ids").stdout)
        row = json.loads(box.must("data", "preview", "faq.yaml", "--rows", "1", "--json").stdout)
        self.assertEqual(row["end"], {"id": 2, "text": "<|im_end|>", "stops": True})
        self.assertEqual(sum(len(piece["ids"]) for piece in row["pieces"]), row["tokens"])
        plain = box.must("data", "preview", "rows.jsonl", "--rows", "1").stdout
        self.assertIn("user: What costs item 0?\nassistant: ⟦Item 0 costs 3 euros.⟧", plain)

    def test_preview_shows_tools_and_calls(self):
        call = {"id": "c", "type": "function", "function": {"name": "price", "arguments": "{\"item\":1}"}}
        box.write("tools.jsonl", json.dumps({
            "tools": [{"type": "function", "function": {"name": "price"}}],
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]},
                         {"role": "tool", "content": "3 euros"}, {"role": "assistant", "content": "3"}]}) + "\n")
        plain = box.must("data", "preview", "tools.jsonl").stdout
        self.assertIn("tool: {\"type\": \"function\", \"function\": {\"name\": \"price\"}}\n", plain)
        self.assertIn("assistant: ⟦call {\"name\": \"price\", \"arguments\": {\"item\": 1}}⟧", plain)
        template = box.must("data", "preview", "tools.jsonl", "--model", "model", "--template", "qwen2.5").stdout
        self.assertIn("⟦<tool_call>\n{\"name\": \"price\", \"arguments\": {\"item\": 1}}\n</tool_call><|im_end|>⟧", template)
        refused = box.run("data", "preview", "tools.jsonl", "--model", "model")
        self.assertIn("tools.jsonl:1: error[D022]", refused.stderr)
        refused = box.run("data", "tokenize", "tools.jsonl", "--model", "model")
        self.assertIn("tools.jsonl:1: error[D022]", refused.stderr)
        refused = box.run("eval", "model", "--data", "tools.jsonl")
        self.assertIn("tools.jsonl:1: error[D022]", refused.stderr)

    def test_inspect_reads_facts_files(self):
        facts = self.run_json("inspect", str(SOURCE / "configs/models/qwen2.5-0.5b.yaml"))
        self.assertEqual((facts["kind"], facts["parameters"], facts["licence"]), ("facts", 494032768, "apache-2.0"))

    def test_a_published_models_facts_make_no_fresh_model(self):
        facts = SOURCE / "configs/models/qwen2.5-0.5b.yaml"
        refused = box.run("train", "base.yaml", "--dry-run", "--set", f"model.init={facts}")
        self.assertEqual(refused.returncode, 78)
        self.assertIn("error[R006]: 'tokenizer' is missing", refused.stderr)

    def test_preview_hands_no_escape_of_a_row_to_the_terminal(self):
        box.write("escape.jsonl", json.dumps({"prompt": "a\x1b]0;title\x07\u009b31m", "completion": "b"}) + "\n")
        self.assertIn("a?]0;title??31m", box.must("data", "preview", "escape.jsonl").stdout)

    def test_tokenize_gives_labels_only_where_something_is_trained(self):
        lines = box.must("data", "tokenize", "--model", "model", "rows.jsonl").stdout.splitlines()
        self.assertEqual(len(lines), 10)
        for line in lines:
            row = json.loads(line)
            self.assertEqual(len(row["ids"]), len(row["labels"]))
            self.assertTrue(all(label in (-100, id) for id, label in zip(row["ids"], row["labels"])))
            self.assertIn(-100, row["labels"])

    def test_snapshots_are_listed_and_shown(self):
        listed = self.run_json("snapshots", "list", "runs/faq")["snapshots"]
        self.assertEqual(listed[0]["number"], 1)
        self.assertIn("latest", listed[-1]["aliases"])
        shown = self.run_json("snapshots", "show", SNAPSHOT)
        for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "metrics.json", "README.md"):
            self.assertIn(name, shown["files"])
        for name in ("base", "dataset", "recipe", "tokenizer", "template"):
            self.assertRegex(shown["hashes"][name], r"^[0-9a-f]{64}$")
        for words in (["list", "runs/faq"], ["list", "--store", "runs/faq"], ["show", SNAPSHOT], ["show", "#1", "--store", "runs/faq"]):
            self.assertIn("#1", box.must("snapshots", *words).stdout)

    def test_a_snapshot_takes_every_file_of_the_tokenizer_along(self):
        shutil.copytree(box.path("model"), box.path("two-files"))
        box.write("two-files/tokenizer.model", b"a SentencePiece file that tokenizer.json goes before")
        snapshot = self.run_json("train", "faq.yaml", "--set", "model.path=two-files", "--set", "store=runs/two")["snapshot_path"]
        self.assertTrue((box.path(snapshot) / "tokenizer.model").is_file())

    def test_a_base_of_fewer_bits_trains_and_its_adapter_merges_into_the_16_bit_weights(self):
        losses = {}
        for quant in ("none", "nf4", "int8"):
            store = f"runs/{quant}"
            made = self.run_json("train", "faq.yaml", "--set", f"model.quant={quant}", "--set", f"store={store}")
            losses[quant] = made["first_loss"]
            box.must("merge", f"{store}#1", "--to", f"merged-{quant}")
            box.must("generate", f"merged-{quant}", "--prompt", "hello", "--greedy", "--max-tokens", "2")
        self.assertNotEqual(losses["nf4"], losses["none"])
        for quant in ("nf4", "int8"):
            self.assertAlmostEqual(losses[quant], losses["none"], delta=0.02 * losses["none"])

    def test_training_goes_on_from_snapshots(self):
        lora = self.run_json("train", "faq.yaml", "--set", "model={from: 'runs/faq#1'}", "--set", "store=runs/next")
        shown = self.run_json("snapshots", "show", "runs/next#1")
        self.assertEqual(shown["parent"], "runs/faq#1")
        self.assertEqual(lora["snapshot"], 1)
        full = self.run_json("train", "base.yaml", "--set", "model={from: 'runs/base#latest'}")
        self.assertEqual(self.run_json("inspect", full["snapshot_path"])["model"]["architecture"], "LlamaForCausalLM")
        first, second = (box.path(f"runs/base/snapshots/{n}/model.safetensors").read_bytes() for n in ("0001", f"{full['snapshot']:04}"))
        self.assertNotEqual(first, second)

    def test_card_and_logs_hold_no_text_of_the_rows(self):
        for path in list(box.path("runs/faq/runs").rglob("*")) + list(box.path("runs/faq/snapshots/0001").iterdir()):
            if path.is_file() and path.suffix in (".json", ".jsonl", ".md", ".yaml") and path.name not in ("tokenizer.json",):
                self.assertNotIn("euros", path.read_text(), path)

    def test_every_error_code_of_the_table_is_explained(self):
        for line in (pathlib.Path(__file__).with_name("mistakes.txt")).read_text().splitlines():
            for code in re.findall(r"error\[([A-Z]\d{3})\]", line):
                self.assertIn(code + ": ", box.must("explain", code).stdout)

    def test_a_reader_that_goes_away_is_no_error(self):
        program = subprocess.Popen([PROGRAM, "inspect", "model/model.safetensors"], cwd=box.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.close()
        with program.stderr as messages:
            self.assertEqual(messages.read(), b"")
        self.assertEqual(program.wait(), -13)

    def test_a_full_disk_behind_stdout_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "inspect", "model"], cwd=box.root, stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 74)
        self.assertIn("stdout: error[W002]", result.stderr)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
