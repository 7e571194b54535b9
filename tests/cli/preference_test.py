"""Objectives dpo and kto from rows to a snapshot: what is logged and kept, what is refused and with which advice, and the
bundled recipes of recipes/feedback."""
import json
import shutil
import signal
import time
import unittest

from sandbox import FAQ, SOURCE, Sandbox

PAIRS = "".join(json.dumps({"question": f"What costs item {i}?", "chosen": f"Item {i} costs {i + 3} euros.",
                            "rejected": "SECRET, who knows?"}) + "\n" for i in range(10))
VOTES = "".join(json.dumps({"messages": [{"role": "user", "content": f"What costs item {i}?"},
                                         {"role": "assistant", "content": f"It costs {i}."}], "kto_tag": i % 3 > 0}) + "\n"
                for i in range(10))


def recipe(name, objective, rows, more=""):
    text = FAQ.replace("name: faq", f"name: {name}").replace("rows.jsonl", rows).replace("valid.jsonl", rows + ".valid")
    text = text.replace("learning_rate: 1.0e-3", "learning_rate: 1.0e-2" + more)
    return box.write(f"{name}.yaml", text + f"objective: {objective}\n").name


def newest_run(store):
    return sorted(box.path(store).glob("runs/*"))[-1]


def log_of(store):
    return [json.loads(line) for line in (newest_run(store) / "log.jsonl").read_text().splitlines()]


class Training(unittest.TestCase):
    def check(self, name, objective, rows, fields, more=""):
        summary = json.loads(box.must("train", recipe(name, objective, rows, more), "--json").stdout)
        self.assertEqual(summary["objective"], objective)
        lines = log_of(f"runs/{name}")
        for line in lines:
            prefix = "valid_" if "valid_loss" in line else ""
            for field in fields:
                self.assertIn(prefix + field, line)
        metrics = json.loads((box.path(summary["snapshot_path"]) / "metrics.json").read_text())
        for field in fields:
            self.assertEqual(metrics["valid_" + field], lines[-1]["valid_" + field])
            self.assertEqual(summary["valid_" + field], metrics["valid_" + field])
            self.assertIn("train_" + field, metrics)
        self.assertNotIn("valid_perplexity", metrics)
        return summary

    def test_dpo_logs_rewards_and_keeps_them_with_the_snapshot(self):
        summary = self.check("dpo", "dpo", "pairs.jsonl",
                             ["reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy"])
        self.assertEqual(summary["data"]["train"]["pairs"], 10)
        self.assertEqual(summary["total_steps"], 2)

    def test_kto_logs_rewards_and_kl(self):
        summary = self.check("kto", "kto", "votes.jsonl", ["reward_chosen", "reward_rejected", "kl"],
                             ", undesirable_weight: 1.5, beta: 0.2")
        self.assertEqual((summary["data"]["train"]["thumbs_up"], summary["data"]["train"]["thumbs_down"]), (6, 4))

    def test_full_training_has_the_model_it_starts_from_as_its_reference(self):
        text = (FAQ.replace("name: faq", "name: full").replace("method: lora", "method: full")
                .replace("lora: {rank: 4, alpha: 8}\n", "").replace("rows.jsonl", "pairs.jsonl")
                .replace("valid.jsonl", "pairs.jsonl.valid"))
        box.write("full.yaml", text + "objective: dpo\n")
        summary = json.loads(box.must("train", "full.yaml", "--json").stdout)
        self.assertAlmostEqual(summary["first_loss"], 0.6931, 3)

    def test_learning_rate_is_small_unless_it_is_given(self):
        text = FAQ.replace("rows.jsonl", "pairs.jsonl").replace(", learning_rate: 1.0e-3", "") + "objective: dpo\n"
        box.write("rate.yaml", text)
        self.assertIn("learning_rate: 5.0e-06", box.must("train", "rate.yaml", "--print-recipe").stdout)
        self.assertIn("learning_rate: 0.01", box.must("train", recipe("rate2", "dpo", "pairs.jsonl"), "--print-recipe").stdout)

    def test_printed_recipe_is_a_recipe(self):
        for objective, rows in [("sft", "rows.jsonl"), ("dpo", "pairs.jsonl"), ("kto", "votes.jsonl")]:
            text = box.must("train", recipe("printed", objective, rows), "--print-recipe").stdout
            box.write("printed2.yaml", text)
            self.assertEqual(box.must("train", "printed2.yaml", "--print-recipe").stdout, text)

    def test_stopped_run_goes_on_and_refuses_another_beta(self):
        line = ["train", recipe("kept", "dpo", "pairs.jsonl"), "--set", "train.max_steps=400", "--set", "train.epochs=400"]
        program = box.start(*line)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            logs = list(box.path("runs/kept").glob("runs/*/log.jsonl"))
            if logs and logs[0].read_text().count("\n") >= 3:
                break
            time.sleep(0.002)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=120)
        self.assertEqual(program.returncode, -signal.SIGTERM)
        refused = box.run(*line, "--set", "train.beta=0.2")
        self.assertEqual(refused.returncode, 78)
        self.assertIn("'train.beta' is 0.2, but the run was started with 0.1", refused.stderr)
        steps = len([one for one in log_of("runs/kept") if "loss" in one])
        box.must(*line[:2], *line[2:], "--set", "train.max_minutes=0.000001")
        self.assertGreaterEqual(len([one for one in log_of("runs/kept") if "loss" in one]), steps)


class Advice(unittest.TestCase):
    def test_few_and_uneven_votes(self):
        rows = "".join(json.dumps({"prompt": f"{i}", "completion": "a", "label": i > 0}) + "\n" for i in range(8))
        box.write("few.jsonl", rows)
        box.write("few.jsonl.valid", rows)
        messages = box.must("train", recipe("few", "kto", "few.jsonl"), "--dry-run").stderr
        self.assertIn("7 thumbs up and 1 thumbs down are few", messages)
        self.assertIn("both would count alike with train.undesirable_weight: 7", messages)


class Mistakes(unittest.TestCase):
    def refused(self, code, exit_code, parts, path, *settings):
        line = ["train", path]
        for setting in settings:
            line += ["--set", setting]
        result = box.run(*line)
        self.assertEqual(result.returncode, exit_code, result.stderr)
        self.assertIn(f"error[{code}]", result.stderr)
        self.assertNotIn("SECRET", result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_rows_of_another_objective(self):
        self.refused("D040", 65, ["pairs.jsonl:1", "objective: dpo"], recipe("m1", "sft", "pairs.jsonl"))
        self.refused("D040", 65, ["rows.jsonl:1", "objective: sft"], recipe("m2", "dpo", "rows.jsonl"))
        self.refused("D040", 65, ["votes.jsonl:1", "objective: kto"], recipe("m3", "dpo", "votes.jsonl"))

    def test_same_answers(self):
        box.write("same.jsonl", PAIRS + '{"question": "q", "chosen": "SECRET", "rejected": "SECRET"}\n')
        shutil.copy(box.path("pairs.jsonl.valid"), box.path("same.jsonl.valid"))
        self.refused("D004", 65, ["same.jsonl:11", "are the same"], recipe("m4", "dpo", "same.jsonl"))

    def test_formats_of_another_objective(self):
        self.refused("R007", 78, ["data.format", "'objective: dpo'"], recipe("m5", "sft", "pairs.jsonl"), "data.format=preference")
        self.refused("R007", 78, ["'format: kto'"], recipe("m6", "kto", "votes.jsonl"), "data.format=messages")

    def test_keys_of_another_objective(self):
        self.refused("R007", 78, ["'train.beta' has no meaning with objective sft"], recipe("m7", "sft", "rows.jsonl"),
                     "train.beta=0.3")
        self.refused("R007", 78, ["label_smoothing", "'objective: dpo'"], recipe("m8", "kto", "votes.jsonl"),
                     "train.label_smoothing=0.1")
        self.refused("R007", 78, ["undesirable_weight", "'objective: kto'"], recipe("m9", "dpo", "pairs.jsonl"),
                     "train.undesirable_weight=2")

    def test_values_out_of_range(self):
        self.refused("R004", 78, ["label_smoothing"], recipe("m10", "dpo", "pairs.jsonl"), "train.label_smoothing=0.5")
        self.refused("R004", 78, ["beta"], recipe("m11", "dpo", "pairs.jsonl"), "train.beta=0")
        self.refused("R007", 78, ["at least two rows per step"], recipe("m12", "kto", "votes.jsonl"), "train.batch_rows=1")

    def test_words_of_other_tools(self):
        for word, ours in [("pref_beta", "train.beta"), ("rl_beta", "train.beta"), ("dpo_beta", "train.beta"),
                           ("loss_type", "objective"), ("kto_chosen_weight", "train.desirable_weight")]:
            path = recipe("words", "dpo", "pairs.jsonl", f", {word}: 1")
            self.refused("R012", 78, [ours], path)


class Rows(unittest.TestCase):
    def test_preview_shows_both_answers(self):
        text = box.must("data", "preview", "dpo.yaml", "--rows", "1").stdout
        self.assertIn("pairs.jsonl:1 (chosen)", text)
        self.assertIn("pairs.jsonl:1 (rejected)", text)
        text = box.must("data", "preview", "votes.jsonl", "--rows", "1").stdout
        self.assertIn("votes.jsonl:1 (thumb down)", text)
        lines = [json.loads(line) for line in box.must("data", "preview", "dpo.yaml", "--rows", "1", "--json").stdout.splitlines()]
        self.assertEqual([line["mark"] for line in lines], ["chosen", "rejected"])

    def test_tokenize_gives_one_object_per_row(self):
        pairs = [json.loads(line) for line in box.must("data", "tokenize", "--model", "model", "pairs.jsonl").stdout.splitlines()]
        self.assertEqual(len(pairs), 10)
        for side in ["chosen", "rejected"]:
            self.assertEqual(len(pairs[0][side]["ids"]), len(pairs[0][side]["labels"]))
        votes = [json.loads(line) for line in box.must("data", "tokenize", "--model", "model", "votes.jsonl").stdout.splitlines()]
        self.assertEqual([vote["label"] for vote in votes[:4]], [False, True, True, False])

    def test_eval_scores_the_better_answers(self):
        result = box.must("eval", "model", "--data", "pairs.jsonl", "--metrics", "loss", "--json")
        self.assertEqual(json.loads(result.stdout)["rows"], 10)
        self.assertIn("scored are the 10 answers", result.stderr)
        result = box.must("eval", "model", "--data", "votes.jsonl", "--metrics", "loss,f1", "--max-tokens", "2", "--json")
        self.assertEqual(json.loads(result.stdout)["models"][0]["answers"], 6)


class BundledRecipes(unittest.TestCase):
    def test_train(self):
        for name, key in [("votes", "valid_kl"), ("pairs", "valid_reward_accuracy")]:
            text = (SOURCE / f"recipes/feedback/{name}.yaml").read_text().replace("recipes/", str(SOURCE / "recipes") + "/")
            path = box.write(f"feedback-{name}.yaml", text).name
            summary = json.loads(box.must("train", path, "--json", "--set", "model={path: model}", "--set", "train.max_steps=2",
                                          "--set", "train.batch_rows=4").stdout)
            self.assertIn(key, summary)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        for name, rows in [("pairs", PAIRS), ("votes", VOTES)]:
            box.write(f"{name}.jsonl", rows)
            box.write(f"{name}.jsonl.valid", "".join(line + "\n" for line in rows.splitlines()[:4]))
        box.write("rows.jsonl.valid", box.path("valid.jsonl").read_text())
        recipe("dpo", "dpo", "pairs.jsonl")
        unittest.main(verbosity=0)
