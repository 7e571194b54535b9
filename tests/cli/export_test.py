"""A GGUF export is read again and compared with the trained model before anybody can see it: verify.json, the table, the
limits of recipe and command line, and exit code 3 without a file beyond them."""
import hashlib
import json
import unittest

from sandbox import FAQ, Sandbox

FIGURES = ["greedy_agreement", "identical_answers", "top1_agreement", "mean_kl", "p99_kl", "perplexity", "trained_perplexity",
           "perplexity_increase"]


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Verify(unittest.TestCase):
    def export(self, *words, model="runs/faq#1", code=0):
        result = box.run("export", model, *words)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_a_snapshot_is_compared_on_its_runs_validation_rows(self):
        result = self.export("--encoding", "q8_0", "--to", "rows/faq.gguf", "--json")
        said = json.loads(result.stdout)
        self.assertEqual(names(box.path("rows")), ["Modelfile", "faq.gguf", "verify.json"])
        listed = json.loads(box.path("rows/verify.json").read_text())
        self.assertEqual(listed["schema"], 1)
        [record] = listed["files"]
        self.assertEqual(said["verify"], record)
        content = box.path("rows/faq.gguf").read_bytes()
        self.assertEqual((record["file"], record["bytes"], record["sha256"]),
                         ("faq.gguf", len(content), hashlib.sha256(content).hexdigest()))
        self.assertEqual((record["encoding"], record["verdict"]), ("q8_0", "passed"))
        manifest = box.path("runs/faq/snapshots/0001/manifest.json").read_bytes()
        self.assertEqual(record["source"], {"model": "runs/faq#1", "snapshot": 1,
                                            "manifest_sha256": hashlib.sha256(manifest).hexdigest()})
        answers, tensors = record["answers"], record["tensors"]
        self.assertEqual((answers["rows"], answers["prompts"]), ("the run's validation rows (valid.jsonl)", 2))
        for figure in FIGURES:
            self.assertIsInstance(answers[figure], (int, float), figure)
        self.assertLess(abs(answers["perplexity_increase"]), 0.05)
        self.assertEqual(tensors["count"], len(tensors["table"]))
        self.assertEqual({row["encoding"] for row in tensors["table"]}, {"f32", "q8_0"})
        self.assertLess(tensors["worst"], 0.01)
        for line in ("verify: 2 prompts of the run's validation rows", "perplexity", "divergence", "likeliest", "greedy answers"):
            self.assertIn(line, result.stderr)
        for row in ("What costs item", "euros"):
            self.assertNotIn(row, result.stderr + result.stdout)

    def test_without_rows_of_its_own_a_model_is_compared_on_the_programs_text(self):
        result = self.export("--encoding", "f16", "--to", "text/base.gguf", "--verify-prompts", "3", "--json", model="model")
        record = json.loads(result.stdout)["verify"]
        self.assertEqual((record["answers"]["rows"], record["answers"]["prompts"]), ("the program's own text", 3))
        self.assertEqual(record["source"], {"model": "model"})
        self.assertLess(record["answers"]["mean_kl"], 1e-4)

    def test_rows_of_a_file_are_used_when_it_is_named(self):
        result = self.export("--encoding", "bf16", "--to", "file/faq.gguf", "--data", "rows.jsonl", "--verify-prompts", "4", "--json")
        answers = json.loads(result.stdout)["verify"]["answers"]
        self.assertEqual((answers["rows"], answers["prompts"]), ("rows.jsonl", 4))
        result = self.export("--to", "missing/faq.gguf", "--data", "missing.jsonl", code=66)
        self.assertIn("error[N001]", result.stderr)
        self.assertEqual(names(box.path("missing")), [])

    def test_rows_that_are_gone_are_said_to_be(self):
        box.path("valid.jsonl").rename(box.path("valid.moved"))
        try:
            result = self.export("--to", "gone/faq.gguf", "--json")
        finally:
            box.path("valid.moved").rename(box.path("valid.jsonl"))
        self.assertIn("verify: the run's validation rows cannot be read", result.stderr)
        self.assertEqual(json.loads(result.stdout)["verify"]["answers"]["rows"], "the program's own text")

    def test_beyond_the_limits_no_file_is_published(self):
        box.path("refused").mkdir()
        box.write("refused/other.gguf", "another file")
        result = self.export("--encoding", "q4_0", "--to", "refused/faq.gguf", "--min-greedy-agreement", "1",
                             "--max-perplexity-increase", "0", code=3)
        self.assertIn("refused/faq.gguf: error[F120]: the written model does not answer as the trained one: ", result.stderr)
        self.assertIn("help: export with more bits (q8_0, q6_k), or accept it with max_perplexity_increase", result.stderr)
        self.assertIn("greedy answers", result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(names(box.path("refused")), ["other.gguf"])

    def test_no_verify_publishes_after_the_tensors_were_checked(self):
        result = self.export("--encoding", "q4_0", "--no-verify", "--to", "unverified/faq.gguf", "--json")
        self.assertNotIn("verify", json.loads(result.stdout))
        self.assertNotIn("verify:", result.stderr)
        self.assertEqual(names(box.path("unverified")), ["Modelfile", "faq.gguf"])

    def test_what_is_at_the_target_stays(self):
        box.write("there/faq.gguf", "of somebody else")
        result = self.export("--to", "there/faq.gguf", code=73)
        self.assertIn("error[W004]", result.stderr)
        self.assertEqual(box.path("there/faq.gguf").read_text(), "of somebody else")

    def test_a_recipes_limits_hold_for_the_run_and_for_export(self):
        limited = "{format: gguf, encoding: q4_0, max_perplexity_increase: 0, min_greedy_agreement: 1}"
        box.write("limits.yaml", FAQ + f"export: [{limited}, {{format: gguf, encoding: q8_0}}]\n")
        words = ["train", "limits.yaml", "--set", "store=runs/limits"]
        result = box.run(*words)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("runs/limits/exports/0001/faq-q4_0.gguf: error[F120]", result.stderr)
        exports = box.path("runs/limits/exports/0001")
        self.assertEqual(names(exports), ["Modelfile", "faq-q8_0.gguf", "verify.json"])
        self.assertTrue(box.path("runs/limits/snapshots/0001/manifest.json").exists(), "the snapshot is published all the same")
        self.export("--encoding", "q4_0", "--to", "limits/faq.gguf", model="runs/limits#1", code=3)
        self.export("--encoding", "q4_0", "--to", "limits/faq.gguf", "--max-perplexity-increase", "1", "--min-greedy-agreement", "0",
                    model="runs/limits#1")
        box.write("limits.yaml", FAQ + "export: [{format: gguf, encoding: q4_0, verify: false}, {format: gguf, encoding: q8_0}]\n")
        result = box.must(*words, "--json")
        self.assertIn("faq-q8_0.gguf is there already", result.stderr)
        self.assertEqual(names(exports), ["Modelfile", "faq-q4_0.gguf", "faq-q8_0.gguf", "verify.json"])
        self.assertEqual([record["file"] for record in json.loads((exports / "verify.json").read_text())["files"]], ["faq-q8_0.gguf"])


class Importance(unittest.TestCase):
    def export(self, *words, code=0):
        result = box.run("export", "runs/faq#1", "--no-verify", *words)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_a_collected_matrix_is_kept_and_gives_the_same_file_again(self):
        result = self.export("--encoding", "q4_0", "--imatrix", "auto", "--to", "weighted/faq.gguf")
        self.assertEqual(names(box.path("weighted")), ["Modelfile", "faq.gguf", "faq.imatrix.gguf"])
        self.assertIn("importance: ", result.stderr)
        self.export("--encoding", "q4_0", "--imatrix", "weighted/faq.imatrix.gguf", "--to", "again/faq.gguf")
        self.export("--encoding", "q4_0", "--to", "plain/faq.gguf")
        weighted, again, plain = (box.path(f"{folder}/faq.gguf").read_bytes() for folder in ("weighted", "again", "plain"))
        self.assertEqual(weighted, again)
        self.assertNotEqual(weighted, plain)

    def test_a_file_that_is_no_matrix_is_refused(self):
        box.write("notes.txt", "a few words that are no matrix")
        result = self.export("--encoding", "q4_0", "--imatrix", "notes.txt", "--to", "refused.gguf", code=65)
        self.assertIn("notes.txt: error[F110]", result.stderr)
        result = self.export("--encoding", "q4_0", "--imatrix", "missing.gguf", "--to", "refused.gguf", code=66)
        self.assertIn("error[N001]", result.stderr)
        self.assertFalse(box.path("refused.gguf").exists())

    def test_a_recipe_may_ask_for_one(self):
        box.write("weighted.yaml", FAQ + "export: [{format: gguf, encoding: q4_0, imatrix: auto, verify: false}]\n")
        box.must("train", "weighted.yaml", "--set", "store=runs/weighted")
        exports = names(box.path("runs/weighted/exports/0001"))
        self.assertEqual(exports, ["Modelfile", "faq-q4_0.gguf", "faq-q4_0.imatrix.gguf"])
        box.write("weighted.yaml", FAQ + "export: [{format: gguf, imatrix: missing.gguf}]\n")
        result = box.run("train", "weighted.yaml")
        self.assertEqual(result.returncode, 66, result.stderr)
        self.assertIn("no such file: 'missing.gguf'", result.stderr)
        box.write("weighted.yaml", FAQ + "export: [{format: hf, imatrix: auto}]\n")
        self.assertIn("'imatrix' belongs to format gguf", box.run("train", "weighted.yaml").stderr)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
