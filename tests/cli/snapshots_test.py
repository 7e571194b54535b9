"""The store through the program: what `slmtune snapshots` promises to people and to scripts, the same content from the same
recipe, and finding every snapshot that was trained on a row."""
import fcntl
import json
import shutil
import stat
import subprocess
import sys
import time
import unittest

from sandbox import PROGRAM, Sandbox

STORE = "runs/faq"


class Snapshots(unittest.TestCase):
    def setUp(self):
        shutil.rmtree(box.path(STORE), ignore_errors=True)
        shutil.copytree(box.path("kept/faq"), box.path(STORE))

    def json(self, *words):
        return json.loads(box.must("snapshots", *words, "--json").stdout)

    def refused(self, code, exit_code, *words):
        result = box.run("snapshots", *words)
        self.assertEqual(result.returncode, exit_code, result.stderr)
        self.assertIn(f"error[{code}]", result.stderr)
        return result

    def aliases(self):
        return json.loads(box.path(STORE + "/aliases.json").read_text())

    def damage(self, number):
        path = box.path(f"{STORE}/snapshots/{number:04}/adapter_model.safetensors")
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    def test_help_of_each_command_has_an_example(self):
        for command in ("diff", "promote", "rollback", "verify", "gc", "forget"):
            text = box.must("snapshots", command, "--help").stdout
            self.assertIn("Example:\n  slmtune snapshots " + command, text)
        self.refused("N002", 66, "rollback", "runs/nowhere")
        self.refused("U004", 64, "gc", STORE, "--keep", "0")

    def test_promote_and_rollback(self):
        self.assertEqual(box.must("snapshots", "promote", f"{STORE}#1").stdout,
                         "production: #1 (was nothing); a rollback goes to nothing\n")
        moved = self.json("promote", "#3", "--store", STORE, "--reason", "better")
        self.assertEqual((moved["production"], moved["was"], moved["previous"], moved["changed"]), (3, 1, 1, True))
        self.assertFalse(self.json("promote", f"{STORE}#latest")["changed"])
        started = time.monotonic()
        back = subprocess.run([PROGRAM, "snapshots", "rollback"], cwd=box.path(STORE), capture_output=True, text=True, check=True)
        seconds = time.monotonic() - started
        print(f"rollback with the start of the program: {seconds:.3f} s", file=sys.stderr)
        self.assertLess(seconds, 1.0)
        self.assertEqual(back.stdout, "production: #1 (was #3); a rollback goes to nothing\n")
        self.refused("S009", 66, "rollback", STORE)
        shown = self.json("show", f"{STORE}#3")
        self.assertEqual([(move["action"], move["reason"]) for move in shown["moves"]], [("publish", ""), ("promote", "better")])
        self.assertIn("promote    ", box.must("snapshots", "show", f"{STORE}#3").stdout)
        self.assertIn("better", box.must("snapshots", "show", f"{STORE}#3").stdout)

    def test_a_damaged_snapshot_is_found_and_not_promoted(self):
        self.json("promote", f"{STORE}#1")
        self.json("promote", f"{STORE}#2")
        self.json("promote", f"{STORE}#3")
        self.damage(2)
        self.refused("S004", 65, "promote", f"{STORE}#2")
        result = self.refused("S004", 65, "verify", STORE)
        self.assertRegex(result.stdout, r"#1 +[\d.]+ [KM]iB  whole\n +#2 +[\d.]+ [KM]iB  damaged: the content changed")
        self.assertRegex(result.stdout, r"read [\d.]+ [KM]iB in [\d.]+ s, [\d.]+ .iB/s\n$")
        back = box.must("snapshots", "rollback", STORE)
        self.assertIn("warning: #2 is passed over: the content changed", back.stderr)
        self.assertIn("production: #1 (was #3)", back.stdout)

    def test_verify_of_one_of_a_part_and_of_all(self):
        everything = self.json("verify", STORE)
        self.assertEqual([one["number"] for one in everything["snapshots"]], [1, 2, 3])
        self.assertGreater(everything["bytes_per_second"], 0)
        self.assertEqual(everything["problems"], [])
        self.assertEqual([one["number"] for one in self.json("verify", f"{STORE}#2")["snapshots"]], [2])
        parts = [one["number"] for part in (1, 2) for one in self.json("verify", STORE, "--subset", f"{part}/2")["snapshots"]]
        self.assertEqual(sorted(parts), [1, 2, 3])
        for wrong in ("0/2", "3/2", "x", "1/", "1/2x"):
            self.refused("U004", 64, "verify", STORE, "--subset", wrong)

    def test_verify_tells_of_the_journal_and_the_aliases(self):
        journal = box.path(STORE + "/journal.jsonl")
        with journal.open("a") as file:
            file.write('{"time":"2026-01-31T09:0')
        result = box.must("snapshots", "verify", STORE)
        self.assertIn("was cut off by a crash", result.stderr)
        text = journal.read_text()
        journal.write_text(text.replace('"number":1', '"number":9', 1))
        self.refused("S012", 65, "verify", STORE)
        journal.write_text(text)
        aliases = self.aliases()
        box.path(STORE + "/aliases.json").write_text(json.dumps({**aliases, "production": 44}))
        self.refused("S010", 65, "verify", STORE)
        self.refused("S001", 66, "show", f"{STORE}#production")

    def test_promote_works_while_training_holds_the_store_and_gc_waits_for_another_day(self):
        with box.path(STORE + "/lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertEqual(self.json("promote", f"{STORE}#2")["production"], 2)
            self.refused("L001", 75, "gc", STORE)
            self.assertTrue(self.json("gc", STORE, "--dry-run")["dry_run"])

    def test_gc_shows_and_removes(self):
        self.json("promote", f"{STORE}#1")
        box.path(STORE + "/exports/0002").mkdir(parents=True)
        box.write(STORE + "/exports/0002/faq-f16.gguf", b"x" * 5000)
        shown = self.json("gc", STORE, "--keep", "1", "--weeks", "0", "--dry-run")
        goes = [(one["kind"], one.get("number")) for one in shown["holdings"] if one["goes"]]
        self.assertEqual(goes[:2], [("snapshot", 2), ("exports", 2)])
        self.assertEqual(goes[2:], [("checkpoints", None)] * (len(goes) - 2))
        self.assertEqual(len(self.json("list", STORE)["snapshots"]), 3)
        result = box.must("snapshots", "gc", STORE, "--keep", "1", "--weeks", "0")
        self.assertRegex(result.stdout, r"snapshot +#1 .* stays  production\n")
        self.assertRegex(result.stdout, r"snapshot +#2 .* goes   older than the newest 1\n")
        self.assertRegex(result.stdout, r"\nremoved: [\d.]+ .iB; [\d.]+ .iB stay\n$")
        self.assertEqual([one["number"] for one in self.json("list", STORE)["snapshots"]], [1, 3])
        self.assertFalse(box.path(STORE + "/exports/0002").exists())
        self.assertEqual(list(box.path(STORE + "/runs").glob("*/checkpoints")), [])
        self.refused("S001", 66, "show", f"{STORE}#2")
        self.assertEqual(self.json("verify", STORE)["problems"], [])

    def test_diff_tells_what_differs(self):
        same = self.json("diff", f"{STORE}#1", f"{STORE}#2")
        self.assertTrue(same["same_content"])
        self.assertEqual(same["settings"], [])
        other = self.json("diff", f"{STORE}#1", f"{STORE}#3")
        self.assertFalse(other["same_content"])
        self.assertEqual(other["settings"], [{"name": "train.learning_rate", "a": "0.001", "b": "0.002"}])
        self.assertIn("adapter_model.safetensors", [one["name"] for one in other["files"]])
        self.assertIn("train_loss", [one["name"] for one in other["scores"]])
        text = box.must("snapshots", "diff", "#1", "#3", "--store", STORE).stdout
        self.assertIn(": other weights\n", text)
        self.assertRegex(text, r"\nrecipe\n  train.learning_rate +0.001  → 0.002\n")

    def test_two_runs_of_one_recipe_have_the_same_content_hash(self):
        first, second, third = (self.json("show", f"{STORE}#{number}") for number in (1, 2, 3))
        self.assertRegex(first["content"], "^[0-9a-f]{64}$")
        self.assertEqual(first["content"], second["content"])
        self.assertNotEqual(first["content"], third["content"])
        for name in ("base", "dataset", "recipe", "tokenizer", "template"):
            self.assertEqual(first["hashes"][name], second["hashes"][name])
        self.assertNotEqual(first["run"], second["run"])
        self.assertTrue(box.path(f"{STORE}/runs/{first['run']}/recipe.yaml").exists())

    def test_published_files_are_read_only(self):
        for path in box.path(STORE + "/snapshots/0001").iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & ~0o440, 0, path)

    def test_forget_finds_rows_by_field_and_by_row(self):
        by_id = self.json("forget", STORE, "--where", "id=3")
        self.assertEqual([one["number"] for one in by_id["snapshots"]], [1, 2, 3])
        self.assertEqual([one["trained_rows"] for one in by_id["snapshots"]], [1, 1, 1])
        self.assertEqual(self.json("forget", STORE, "--where", "meta.user=ann3")["snapshots"], by_id["snapshots"])
        self.assertEqual(self.json("forget", STORE, "--where", "id=77")["snapshots"], [])
        self.assertEqual(box.must("snapshots", "forget", STORE, "--where", "id=77").stdout,
                         "no snapshot was trained on these rows\n")
        rows = box.path("tagged.jsonl").read_text().splitlines()
        box.write("gone.jsonl", json.dumps(json.loads(rows[4]), sort_keys=True, indent=None) + "\n{\"id\": 5}\n{\"id\": 500}\n")
        by_rows = self.json("forget", STORE, "--rows", "gone.jsonl")
        self.assertEqual(by_rows["rows_sought"], 3)
        self.assertEqual([one["trained_rows"] for one in by_rows["snapshots"]], [2, 2, 2])
        self.refused("U003", 64, "forget", STORE)
        self.refused("U004", 64, "forget", STORE, "--where", "id")
        self.refused("N001", 66, "forget", STORE, "--rows", "nothing.jsonl")

    def test_forget_apply_withdraws_and_leaves_production_alone(self):
        self.json("promote", f"{STORE}#1")
        result = box.run("snapshots", "forget", STORE, "--where", "id=3", "--apply", "--reason", "request 12", "--json")
        self.assertEqual(result.returncode, 3)
        self.assertIn("'production' names snapshot #1, which is withdrawn", result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual(answer["newly_withdrawn"], [1, 2, 3])
        self.assertTrue(all(one["withdrawn"] for one in answer["snapshots"]))
        self.assertEqual(self.aliases(), {"production": 1})
        self.refused("S008", 3, "promote", f"{STORE}#2")
        self.refused("S008", 3, "verify", STORE)
        self.assertIn("withdrawn", box.must("snapshots", "list", STORE).stdout)
        journal = box.path(STORE + "/journal.jsonl").read_text()
        self.assertIn("request 12", journal)
        self.assertNotIn("ann3", journal)

    def test_rows_of_a_snapshot_that_is_continued_are_found_after_it_is_gone(self):
        box.must("train", "tagged.yaml", "-q", "--set", f"model={{from: '{STORE}#1'}}", "--set",
                 "data.train=[{path: rows.jsonl}]", "--resume", "never")
        found = {one["number"]: one for one in self.json("forget", STORE, "--where", "id=3")["snapshots"]}
        self.assertEqual((found[4]["trained_rows"], found[4]["inherited_rows"]), (0, 1))
        shown = self.json("show", f"{STORE}#4")
        self.assertEqual(shown["parent"], f"{STORE}#1")
        self.assertRegex(shown["hashes"]["parent"], "^[0-9a-f]{64}$")

    def test_the_index_holds_no_text_of_a_row(self):
        for path in box.path(STORE).rglob("*"):
            if path.is_file() and path.name not in ("tokenizer.json",):
                self.assertNotIn(b"ann3", path.read_bytes(), path)

    def test_paths_of_folders_name_snapshots_too(self):
        self.assertEqual(self.json("show", f"{STORE}/snapshots/0002")["number"], 2)
        self.assertEqual(self.json("promote", f"{STORE}/snapshots/0002")["production"], 2)


def tagged_row(i):
    return json.dumps({"id": i, "meta": {"user": f"ann{i}"},
                       "messages": [{"role": "user", "content": f"What costs item {i}?"},
                                    {"role": "assistant", "content": f"Item {i} costs {i + 3} euros."}]})


def make_store():
    """runs/faq with two runs of one recipe and one of another, kept aside to start each test from."""
    box.make_model()
    shutil.rmtree(box.path(STORE))
    box.write("tagged.jsonl", "\n".join(tagged_row(i) for i in range(10)) + "\n")
    box.write("tagged.yaml", box.path("faq.yaml").read_text().replace("rows.jsonl", "tagged.jsonl"))
    for more in ([], [], ["--set", "train.learning_rate=0.002"]):
        box.must("train", "tagged.yaml", "-q", "--resume", "never", *more)
    shutil.copytree(box.path(STORE), box.path("kept/faq"))


if __name__ == "__main__":
    with Sandbox() as box:
        make_store()
        unittest.main(verbosity=1)
