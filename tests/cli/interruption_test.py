"""A training run that is stopped by a signal leaves a checkpoint, dies by that signal, and goes on to the same result."""
import json
import os
import signal
import sys
import time
import unittest

from sandbox import FAQ, Sandbox

LONG = FAQ.replace("max_steps: 2", "epochs: 80").replace("batch_rows: 2", "batch_rows: 2, save_minutes: 0.001")


POINTS = 40 if os.environ.get("SLMTUNE_COUNTS") == "full" else 4


def wait_for_steps(store, count):
    """Until the run of `store` has logged `count` steps."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        logs = list(box.path(store).glob("runs/*/log.jsonl"))
        if logs and logs[0].read_text().count("\n") >= count:
            return logs[0]
        time.sleep(0.002)
    sys.exit("the run did not start")


def adapter(folder):
    return box.path(folder).joinpath("adapter_model.safetensors").read_bytes()


class Interruption(unittest.TestCase):
    def stop_and_go_on(self, store, stop, after):
        box.write("long.yaml", LONG)
        words = ["train", "long.yaml", "--set", "store=" + store]
        program = box.start(*words)
        log = wait_for_steps(store, after)
        program.send_signal(stop)
        output, messages = program.communicate(timeout=120)
        self.assertEqual(program.returncode, -stop, messages)
        self.assertEqual(output, "")
        self.assertIn("stopped after step", messages)
        self.assertFalse(box.path(store).joinpath("snapshots").exists() and any(box.path(store).joinpath("snapshots").iterdir()))
        self.assertTrue(list(log.parent.glob("checkpoints/step-*/state.json")))
        result = box.must(*words)
        self.assertIn("resuming", result.stderr)
        self.assertEqual(len(list(box.path(store).glob("runs/*"))), 1)
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        numbers = [step["step"] for step in steps if "loss" in step]
        self.assertEqual(numbers, list(range(1, 401)))
        return result.stdout.strip()

    def test_resumed_training_gives_the_bytes_of_an_uninterrupted_one(self):
        box.write("long.yaml", LONG)
        whole = box.must("train", "long.yaml", "--set", "store=runs/whole").stdout.strip()
        for index in range(POINTS):
            stop = signal.SIGINT if index % 2 else signal.SIGTERM
            result = self.stop_and_go_on(f"runs/stopped{index}", stop, after=5 + 390 * index // POINTS)
            self.assertEqual(adapter(result), adapter(whole))
        print(f"{POINTS} of {POINTS} stopped and resumed trainings gave the bytes of an uninterrupted one")

    def test_killed_training_goes_on_from_its_last_checkpoint(self):
        box.write("long.yaml", LONG)
        words = ["train", "long.yaml", "--set", "store=runs/killed"]
        program = box.start(*words)
        log = wait_for_steps("runs/killed", 60)
        program.kill()
        program.communicate(timeout=120)
        self.assertTrue(list(log.parent.glob("checkpoints/step-*/state.json")))
        self.assertIn("resuming", box.must(*words).stderr)

    def test_max_minutes_ends_well_with_a_snapshot(self):
        box.write("long.yaml", LONG)
        result = box.must("train", "long.yaml", "--json", "--set", "store=runs/minutes", "--set", "train.epochs=1000",
                          "--set", "train.max_minutes=0.02")
        summary = json.loads(result.stdout)
        self.assertEqual(summary["ended"], "max_minutes")
        self.assertLess(summary["steps"], summary["total_steps"])
        self.assertEqual(summary["snapshot"], 1)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
