"""SIGKILL and power cuts at random moments over the real program: train, publish, export, promote. After each one nothing is
unreadable, nothing published is lost, no number is used twice, and the same command goes on without a flag.

SLMTUNE_COUNTS=full: 1,000 kills instead of 60."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from sandbox import FAQ, PROGRAM, Sandbox  # noqa: E402

FULL = os.environ.get("SLMTUNE_COUNTS") == "full"
KILLS = 1000 if FULL else 60
POWER_CUTS = 200 if FULL else 20
DAMAGES = 100 if FULL else 10
SHIM = os.environ["FAULT_SHIM"]
SAVE_MINUTES = 0.0002
RECIPE = (FAQ.replace("max_steps: 2", "epochs: 8").replace("batch_rows: 2", f"batch_rows: 2, save_minutes: {SAVE_MINUTES}") +
          "export: [{format: gguf, encoding: q8_0}]\n")
STEPS = 40


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_lines(path):
    """The lines of a JSONL file that are whole, and how many are not."""
    lines, torn = [], 0
    for text in path.read_text(errors="replace").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            torn += text != ""
    return lines, torn


class Store:
    """What must hold of a store at every moment."""

    def __init__(self, test, folder):
        self.test, self.folder, self.manifests, self.redone = test, folder, {}, []

    def snapshots(self):
        return {int(path.name): path for path in (self.folder / "snapshots").glob("[0-9]*")}

    def named(self, alias):
        path = self.folder / "aliases.json"
        return json.loads(path.read_text()).get(alias, 0) if path.exists() else 0

    def check_snapshots(self):
        found = self.snapshots()
        for number, manifest in self.manifests.items():
            self.test.assertIn(number, found, "a published snapshot is lost")
            self.test.assertEqual(digest(found[number] / "manifest.json"), manifest)
        for number, path in found.items():
            manifest = json.loads((path / "manifest.json").read_text())
            self.test.assertEqual(manifest["number"], number)
            for name, record in manifest["files"].items():
                self.test.assertEqual(digest(path / name), record["sha256"], name)
            self.manifests[number] = digest(path / "manifest.json")
            self.test.assertEqual(digest(path / "adapter_model.safetensors"), reference["adapter"])

    def check_journal(self):
        lines, _ = read_lines(self.folder / "journal.jsonl")
        claimed = [line["number"] for line in lines if line["action"] == "claim"]
        self.test.assertEqual(len(claimed), len(set(claimed)), "a number was claimed twice")

    def check_exports(self):
        for path in self.folder.glob("exports/*/*.gguf"):
            self.test.assertEqual(digest(path), reference["gguf"], f"{path} is not whole")

    def check(self):
        result = box.run("snapshots", "list", str(self.folder), "--json")
        if (self.folder / "snapshots").exists():
            self.test.assertEqual(result.returncode, 0, result.stderr)
            self.test.assertNotIn("problem\":\"", result.stdout.replace(" ", ""))
        self.check_snapshots()
        self.check_journal()
        self.check_exports()

    def unfinished_run(self):
        runs = sorted(path for path in self.folder.glob("runs/*") if (path / "recipe.yaml").exists())
        return runs[-1] if runs and not (runs[-1] / "summary.json").exists() else None

    def check_redone(self):
        """At most one interval lies between the newest checkpoint and the last step that was logged."""
        run = self.unfinished_run()
        if run is None:
            return
        times = {line["step"]: line["seconds"] for line in read_lines(run / "log.jsonl")[0] if "loss" in line}
        steps = [int(path.parent.name[5:]) for path in run.glob("checkpoints/step-*/state.json")]
        if not times or not steps or max(steps) not in times:
            return
        gap = max([b - a for a, b in zip(list(times.values()), list(times.values())[1:])], default=0.0)
        # A step that is on its way when the time comes is ended first, and the save takes its time too.
        redone = times[max(times)] - times[max(steps)]
        self.redone.append(max(times) - max(steps))
        self.test.assertLessEqual(redone, SAVE_MINUTES * 60 + 2 * gap + 0.01)


class Killed(unittest.TestCase):
    def kill_at_random(self, words, longest, environment=None):
        """True when the program had ended before."""
        program = box.start(*words, environment=environment)
        try:
            time.sleep(random.uniform(0, longest))
            ended = program.poll() is not None
            program.kill()
            _, messages = program.communicate(timeout=60)
        finally:
            program.kill()
        if ended:
            self.assertEqual(program.returncode, 0, messages)
        return ended

    def promote(self, store, number):
        before = store.named("production")
        words = ["snapshots", "promote", f"{store.folder}#{number}", "--reason", "test"]
        ended = self.kill_at_random(words, 0.03)
        self.assertIn(store.named("production"), (before, number))
        store.check()
        box.must(*words)
        self.assertEqual(store.named("production"), number)
        return not ended

    def test_kills_over_train_publish_export_promote(self):
        store = Store(self, box.path("runs/killed"))
        words = ["train", "killed.yaml", "--set", "store=runs/killed", "-q"]
        kills, runs = 0, 0
        while kills < KILLS:
            ended = self.kill_at_random(words, 1.1 * reference["seconds"])
            kills += not ended
            store.check()
            store.check_redone()
            if not ended and random.random() < 0.25:
                box.must(*words)
                ended = True
            if ended:
                runs += 1
                store.check()
                self.assertIsNone(store.unfinished_run())
                kills += self.promote(store, max(store.snapshots()))
        self.assertGreater(len(store.redone), kills // 10, "too few kills hit a run between its checkpoints")
        print(f"kill: {kills} kills over {runs} whole runs, 0 unreadable states, {len(store.manifests)} snapshots, 0 lost; "
              f"{len(store.redone)} runs to go on with, at most {max(store.redone)} steps redone")

    def test_power_cuts_over_train_publish_export(self):
        report = box.path("report")
        watched = box.path("cut")
        words = ["train", "killed.yaml", "--set", f"store={watched}/faq", "-q"]

        def environment(**more):
            return {"LD_PRELOAD": SHIM, "SLMTUNE_FAULT_ROOT": str(watched), **more}

        watched.mkdir()
        box.must(*words, environment=environment(SLMTUNE_FAULT_REPORT=str(report)))
        calls = report.read_text().count("\n")
        shutil.rmtree(watched)
        watched.mkdir()
        store = Store(self, watched / "faq")
        for _ in range(POWER_CUTS):
            result = box.run(*words, environment=environment(
                SLMTUNE_FAULT_AT=str(random.randint(1, calls)), SLMTUNE_FAULT="power-cut",
                SLMTUNE_FAULT_LOSS=str(random.randint(0, 3)), SLMTUNE_FAULT_SEED=str(random.randint(0, 1 << 30))))
            self.assertIn(result.returncode, (0, -9), result.stderr)
            store.check()
        box.must(*words)
        store.check()
        print(f"power cut: {POWER_CUTS} cuts at {calls} calls, 0 unreadable states, {len(store.manifests)} snapshots, 0 lost")


class Damaged(unittest.TestCase):
    def test_a_damaged_checkpoint_is_passed_over_with_one_warning(self):
        words = ["train", "killed.yaml", "--set", "store=runs/damaged"]
        done = 0
        while done < DAMAGES:
            shutil.rmtree(box.path("runs/damaged"), ignore_errors=True)
            program = box.start(*words)
            deadline = time.monotonic() + 60
            while len(list(box.path("runs/damaged").glob("runs/*/checkpoints/step-*/state.json"))) < 2:
                if program.poll() is not None or time.monotonic() > deadline:
                    break
                time.sleep(0.001)
            program.kill()
            program.communicate(timeout=60)
            folders = sorted(box.path("runs/damaged").glob("runs/*/checkpoints/step-*"))
            if len(folders) < 2:
                continue
            file = folders[-1] / random.choice(["model.safetensors", "optimizer.safetensors", "state.json"])
            content = bytearray(file.read_bytes())
            if random.random() < 0.5:
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
            else:
                content = content[:random.randrange(len(content))]
            file.write_bytes(content)
            result = box.must(*words)
            warnings = [line for line in result.stderr.splitlines() if "warning" in line]
            self.assertEqual(len(warnings), 1, result.stderr)
            self.assertIn(file.name, warnings[0])
            self.assertIn("resuming", result.stderr)
            adapter = box.path("runs/damaged/snapshots/0001/adapter_model.safetensors")
            self.assertEqual(digest(adapter), reference["adapter"])
            done += 1
        print(f"damage: {done} checkpoints damaged, each passed over with one warning")

    def test_a_damaged_snapshot_answers_nobody(self):
        snapshot = box.path("snapshot-copy")
        shutil.copytree(box.path("runs/whole/snapshots/0001"), snapshot)
        self.assertEqual(box.run("generate", str(snapshot), "--prompt", "a", "--max-tokens", "1").returncode, 0)
        file = snapshot / "adapter_model.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.unlink()
        file.write_bytes(content)
        for words in (["generate", str(snapshot), "--prompt", "a"],
                      ["export", str(snapshot), "--format", "gguf", "--to", "damaged.gguf"]):
            result = box.run(*words)
            self.assertEqual(result.returncode, 65, result.stderr)
            self.assertIn("error[S004]", result.stderr)
            self.assertIn(file.name, result.stderr)


if __name__ == "__main__":
    random.seed(5)
    with Sandbox() as box:
        box.make_model()
        box.write("killed.yaml", RECIPE)
        started = time.monotonic()
        box.must("train", "killed.yaml", "--set", "store=runs/whole", "-q")
        reference = {"seconds": time.monotonic() - started,
                     "adapter": digest(box.path("runs/whole/snapshots/0001/adapter_model.safetensors")),
                     "gguf": digest(next(box.path("runs/whole/exports/0001").glob("*.gguf")))}
        unittest.main()
