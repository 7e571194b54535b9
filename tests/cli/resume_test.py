"""Which run `slmtune train` goes on with: the same settings, rows, weights and machine go on exactly, anything else is
refused by name before the model is loaded, and --resume-as-new is the only way around."""
import hashlib
import json
import os
import shutil
import signal
import time
import unittest

from sandbox import FAQ, Sandbox

LONG = FAQ.replace("max_steps: 2", "epochs: 80, save_minutes: 0.001")
FULL = os.environ.get("SLMTUNE_COUNTS") == "full"


def runs(store="runs/kept"):
    return sorted(box.path(store).glob("runs/*"))


def snapshots(store="runs/kept"):
    return sorted(path.name for path in box.path(store).glob("snapshots/0*"))


def newest_checkpoint(run):
    return sorted(run.glob("checkpoints/step-*"))[-1]


def stopped_run(store="runs/kept"):
    """A run of LONG that a SIGTERM stopped after some steps."""
    shutil.rmtree(box.path(store), ignore_errors=True)
    program = box.start("train", "long.yaml", "--set", "store=" + store)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        logs = list(box.path(store).glob("runs/*/log.jsonl"))
        if logs and logs[0].read_text().count("\n") >= 10:
            break
        time.sleep(0.002)
    program.send_signal(signal.SIGTERM)
    _, messages = program.communicate(timeout=120)
    assert program.returncode == -signal.SIGTERM, messages
    return runs(store)[0]


def rewrite_state(checkpoint, change):
    """Changes state.json and seals it again, as the program that saved it would have."""
    path = checkpoint / "state.json"
    state = json.loads(path.read_text())
    del state["state_sha256"]
    change(state)
    body = json.dumps(state, indent=2, ensure_ascii=False)[:-2] + ",\n  "
    seal = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(f'{body}"state_sha256": "{seal}"\n}}\n')


def train(*settings, store="runs/kept", words=()):
    line = ["train", "long.yaml", "--set", "store=" + store, *words]
    for setting in settings:
        line += ["--set", setting]
    return box.run(*line)


class Identity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stopped = stopped_run()
        cls.checkpoint = newest_checkpoint(cls.stopped)
        cls.fields = json.loads((cls.checkpoint / "state.json").read_text())["identity"]

    def refused(self, *settings, **options):
        result = train(*settings, **options)
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertIn("error[T010]", result.stderr)
        self.assertIn("--resume-as-new", result.stderr)
        self.assertNotIn("model: ", result.stderr)
        self.assertEqual(runs(), [self.stopped])
        return result.stderr

    def test_records_forty_fields(self):
        self.assertGreaterEqual(len(self.fields), 40)
        for field in ("train.learning_rate", "data.train[0].file", "model.base", "model.tokenizer", "kernel.device",
                      "version.libtorch", "version.slmtune"):
            self.assertIn(field, self.fields)
        for field in ("train.save_minutes", "train.max_minutes", "eval.metrics", "name", "store"):
            self.assertNotIn(field, self.fields)

    def test_any_other_value_of_a_field_refuses(self):
        kept = (self.checkpoint / "state.json").read_bytes()
        names = sorted(self.fields)
        chosen = names if FULL else names[::4]
        try:
            for field in chosen:
                with self.subTest(field):
                    (self.checkpoint / "state.json").write_bytes(kept)
                    rewrite_state(self.checkpoint, lambda state: state["identity"].update({field: "another"}))
                    messages = self.refused()
                    now = self.fields[field]
                    shown = now[:12] + "…" if len(now) == 64 else now
                    self.assertIn(f"'{field}' is {shown}, but the run was started with another", messages)
        finally:
            (self.checkpoint / "state.json").write_bytes(kept)
        print(f"{len(chosen)} of {len(chosen)} changed identity fields refused, of {len(names)} that are recorded")

    def test_all_changes_are_named_at_once(self):
        messages = self.refused("train.learning_rate=0.5", "train.seed=8", "lora.rank=2")
        self.assertIn("'train.learning_rate' is 0.5, but the run was started with 0.001", messages)
        self.assertIn("'train.seed' is 8, but the run was started with 7", messages)
        self.assertIn("'lora.rank' is 2, but the run was started with 4", messages)

    def test_changed_rows_refuse(self):
        rows = box.path("rows.jsonl").read_text()
        try:
            box.write("rows.jsonl", rows + rows.splitlines()[0] + "\n")
            messages = self.refused()
        finally:
            box.write("rows.jsonl", rows)
        for field in ("data.train.content", "data.train.rows", "data.train[0].file"):
            self.assertIn(f"'{field}' is ", messages)

    def test_changed_weights_refuse(self):
        path = box.path("model/model.safetensors")
        weights = path.read_bytes()
        try:
            path.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
            self.assertIn("'model.base' is ", self.refused())
        finally:
            path.write_bytes(weights)

    def test_a_mistyped_run_is_missing_input_and_starts_nothing(self):
        for name in ("2026", str(self.stopped) + "x", "runs/kept/runs", ""):
            result = train(words=["--resume", name])
            self.assertEqual(result.returncode, 66, (name, result.stderr))
            self.assertEqual(runs(), [self.stopped])

    def test_never_and_as_new_exclude_each_other(self):
        result = train(words=["--resume", "never", "--resume-as-new"])
        self.assertEqual(result.returncode, 64)
        self.assertIn("error[U006]", result.stderr)

    def test_weights_of_another_rank_cannot_start_a_new_run(self):
        result = train("lora.rank=2", "train.seed=8", words=["--resume-as-new"])
        self.assertEqual(result.returncode, 78, result.stderr)
        self.assertIn("error[T012]", result.stderr)
        self.assertIn("'lora.rank' is 2, but the run was started with 4", result.stderr)
        self.assertNotIn("train.seed", result.stderr)
        self.assertEqual(runs(), [self.stopped])


class GoingOn(unittest.TestCase):
    def test_settings_that_train_nothing_may_change(self):
        run = stopped_run("runs/free")
        result = train("train.save_minutes=5", "train.max_minutes=50", "name=other", "export=[{format: hf}]",
                       "eval.metrics=[loss, f1]", store="runs/free")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("resuming", result.stderr)
        self.assertEqual(runs("runs/free"), [run])

    def test_as_new_goes_on_from_the_weights_in_a_new_run(self):
        run = stopped_run("runs/new")
        step = json.loads((newest_checkpoint(run) / "state.json").read_text())["step"]
        result = train("train.learning_rate=1.0e-4", "train.epochs=1", store="runs/new", words=["--resume-as-new", "--json"])
        self.assertEqual(result.returncode, 0, result.stderr)
        summary = json.loads(result.stdout)
        changed = {entry["field"]: (entry["before"], entry["now"]) for entry in summary["resumed_from"]["changed"]}
        self.assertEqual(set(changed), {"train.epochs", "train.learning_rate"})
        self.assertEqual(changed["train.learning_rate"], ("0.001", "0.0001"))
        self.assertEqual({key: summary["resumed_from"][key] for key in ("run", "step")}, {"run": run.name, "step": step})
        self.assertEqual(len(runs("runs/new")), 2)
        self.assertEqual(summary["steps"], 5)
        manifest = json.loads(box.path("runs/new/snapshots/0001/manifest.json").read_text())
        self.assertEqual(manifest["metrics"]["resumed_from"], summary["resumed_from"])
        fresh = train("train.learning_rate=1.0e-4", "train.epochs=1", store="runs/fresh", words=["--json"])
        self.assertNotEqual(json.loads(fresh.stdout)["first_loss"], summary["first_loss"])

    def test_a_checkpoint_may_be_named(self):
        run = stopped_run("runs/named")
        older = sorted(run.glob("checkpoints/step-*"))[0]
        result = train(store="runs/named", words=["--resume", str(older) + "/"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"resuming runs/named/runs/{run.name}/checkpoints/{older.name}\n".replace("runs/named", str(box.path("runs/named"))),
                      result.stderr)
        again = train(store="runs/named", words=["--resume", run.name])
        self.assertEqual(again.returncode, 78)
        self.assertIn("this run is complete", again.stderr)

    def test_a_damaged_checkpoint_is_passed_over_with_one_warning(self):
        run = stopped_run("runs/damaged")
        newest = newest_checkpoint(run)
        path = newest / "optimizer.safetensors"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        result = train(store="runs/damaged")
        self.assertEqual(result.returncode, 0, result.stderr)
        warnings = [line for line in result.stderr.splitlines() if line.startswith("warning")]
        self.assertEqual(len(warnings), 1, result.stderr)
        self.assertIn(str(path.relative_to(box.root)), warnings[0])
        self.assertIn("resuming", result.stderr)

    def test_an_older_run_stays_behind_a_complete_one(self):
        run = stopped_run("runs/behind")
        self.assertEqual(train("train.epochs=1", store="runs/behind", words=["--resume", "never"]).returncode, 0)
        result = train("train.epochs=2", store="runs/behind")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("resuming", result.stderr)
        self.assertEqual(len(runs("runs/behind")), 3)
        self.assertFalse((run / "summary.json").exists())

    def test_a_run_that_published_is_finished_and_not_published_again(self):
        settings = ("train.epochs=1", "export=[{format: gguf, encoding: q8_0}, {format: hf}]")
        self.assertEqual(train(*settings, store="runs/once").returncode, 0)
        run, = runs("runs/once")
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual(len(summary["exports"]), 2)
        (run / "summary.json").unlink()
        exported = box.path("runs/once/exports/0001/faq-q8_0.gguf")
        whole = exported.read_bytes()
        exported.unlink()
        result = train(*settings, store="runs/once")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, "runs/once/snapshots/0001\n")
        self.assertEqual(snapshots("runs/once"), ["0001"])
        self.assertEqual(exported.read_bytes(), whole)
        self.assertEqual(json.loads((run / "summary.json").read_text())["snapshot"], 1)
        changed = train("train.epochs=2", store="runs/once")
        self.assertEqual(changed.returncode, 0, changed.stderr)
        self.assertEqual(snapshots("runs/once"), ["0001", "0002"])

    def test_a_published_run_is_finished_before_another_recipe_trains(self):
        self.assertEqual(train("train.epochs=1", store="runs/other").returncode, 0)
        run, = runs("runs/other")
        (run / "summary.json").unlink()
        result = train("train.epochs=2", store="runs/other")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((run / "summary.json").exists())
        self.assertEqual(snapshots("runs/other"), ["0001", "0002"])

    def test_a_kill_after_publishing_does_not_publish_twice(self):
        exports = ", ".join(f"{{format: gguf, encoding: f16, to: killed/{index}.gguf}}" for index in range(60))
        words = ["train", "long.yaml", "--set", "store=runs/gone", "--set", "train.epochs=1", "--set", f"export=[{exports}]"]
        program = box.start(*words)
        while not box.path("runs/gone/snapshots/0001").exists():
            self.assertIsNone(program.poll())
            time.sleep(0.001)
        program.kill()
        program.communicate(timeout=60)
        run, = runs("runs/gone")
        self.assertFalse((run / "summary.json").exists())
        self.assertEqual(box.run(*words).returncode, 0)
        self.assertEqual(snapshots("runs/gone"), ["0001"])
        self.assertTrue(box.path("killed/59.gguf").exists())
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual((summary["snapshot"], summary["steps"], len(summary["exports"])), (1, 5, 60))

    def test_an_export_that_cannot_be_made_holds_no_other_work_up(self):
        settings = ("train.epochs=1", "export=[{format: hf, to: tokenizer}]")  # a folder that is not empty
        failed = train(*settings, store="runs/stuck")
        self.assertEqual(failed.returncode, 73, failed.stderr)
        self.assertEqual(snapshots("runs/stuck"), ["0001"])
        failed = train(*settings, store="runs/stuck")
        self.assertEqual(failed.returncode, 73, failed.stderr)
        self.assertEqual(snapshots("runs/stuck"), ["0001"])
        result = train("train.epochs=2", settings[1], store="runs/stuck")
        self.assertEqual(result.returncode, 73)
        self.assertIn("warning: snapshot #1 has no exports: ", result.stderr)
        self.assertEqual(snapshots("runs/stuck"), ["0001", "0002"])

    def test_a_diverged_run_ends_with_3_and_publishes_nothing(self):
        weights = box.path("model/model.safetensors").read_bytes()
        shutil.copytree(box.path("model"), box.path("broken"))
        header = int.from_bytes(weights[:8], "little")
        broken = weights[:8 + header] + b"\xff" * (len(weights) - 8 - header)  # every weight is not a number
        box.write("broken/model.safetensors", broken)
        result = train("model.path=broken", store="runs/diverged")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("error[T001]", result.stderr)
        self.assertEqual(snapshots("runs/diverged"), [])
        summary = json.loads((runs("runs/diverged")[0] / "summary.json").read_text())
        self.assertEqual(summary["ended"], "diverged")


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        box.write("long.yaml", LONG)
        unittest.main()
