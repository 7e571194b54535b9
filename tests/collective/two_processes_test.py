"""Two processes on the CPU train what one process trains: the same losses at the same global batch, one set of files, and
a run may go on with another number of processes."""
import json
import signal
import time
import unittest

import ranks
from sandbox import FAQ, Sandbox

LONG = (FAQ.replace("max_steps: 2, batch_rows: 2", "epochs: 12, batch_rows: 4, micro_batch_tokens: 64")
        .replace("eval: {metrics: [loss]}", "eval: {every: 2, metrics: [loss]}"))
PAIRS = LONG.replace("rows.jsonl", "pairs.jsonl").replace("valid.jsonl", "pairs_valid.jsonl") + "objective: dpo\n"


def log_of(store):
    run, = box.path(store).glob("runs/*")
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def largest_difference(store, other, key="loss"):
    """Relative, over the steps."""
    one, two = ([line[key] for line in log_of(name) if key in line] for name in (store, other))
    assert len(one) == len(two) and len(one) > 5, (len(one), len(two))
    return max(abs(a - b) / abs(a) for a, b in zip(one, two))


def alone(recipe, store, *settings):
    return box.must("train", recipe, "--set", "store=" + store, *words_of(settings))


def words_of(settings):
    return [word for setting in settings for word in ("--set", setting)]


def together(recipe, store, *settings):
    results = ranks.finish(ranks.start(box, 2, "train", recipe, "--set", "store=" + store, *words_of(settings)))
    for result in results:
        assert result.returncode == 0, [result.stderr for result in results]
    return results


def stop_after(processes, store, lines, pid=None):
    """SIGTERM for the first process, or for `pid`, once the log has so many lines."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        logs = list(box.path(store).glob("runs/*/log.jsonl"))
        if logs and logs[0].read_text().count("\n") >= lines:
            break
        time.sleep(0.002)
    processes[pid or 0].send_signal(signal.SIGTERM)
    return ranks.finish(processes)


class SameLosses(unittest.TestCase):
    def compare(self, recipe, name, *settings):
        alone(recipe, f"runs/{name}1", *settings)
        together(recipe, f"runs/{name}2", *settings)
        for key in ("loss", "valid_loss"):
            difference = largest_difference(f"runs/{name}1", f"runs/{name}2", key)
            print(f"{name}: {key} of two processes differs by {difference:.1e} at most")
            self.assertLessEqual(difference, 1e-6)

    def test_sft(self):
        self.compare("long.yaml", "sft")

    def test_dpo(self):
        self.compare("pairs.yaml", "dpo")

    def test_dropout_is_drawn_per_micro_batch(self):
        self.compare("long.yaml", "dropout", "lora.dropout=0.3", "data.pack=false")

    @unittest.skipUnless(ranks.has_mpi(), "OpenMPI is not installed")
    def test_mpirun(self):
        alone("long.yaml", "runs/mpi1")
        result = ranks.Result(ranks.mpirun(box, 2, "train", "long.yaml", "--set", "store=runs/mpi2"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLessEqual(largest_difference("runs/mpi1", "runs/mpi2"), 1e-6)
        self.assertEqual(result.stdout, "runs/mpi2/snapshots/0001\n")


class OneSetOfFiles(unittest.TestCase):
    def test_only_rank_0_says_and_writes_something(self):
        first, second = together("faq.yaml", "runs/files")
        self.assertEqual(first.stdout, "runs/files/snapshots/0001\n")
        self.assertIn("2 processes train together", first.stderr)
        self.assertEqual((second.stdout, second.stderr), ("", ""))
        self.assertEqual(len(list(box.path("runs/files").glob("runs/*"))), 1)
        self.assertEqual(len(list(box.path("runs/files").glob("snapshots/0*"))), 1)

    def test_a_finished_run_is_not_trained_again_by_the_others(self):
        together("faq.yaml", "runs/again")
        run, = box.path("runs/again").glob("runs/*")
        (run / "summary.json").unlink()
        together("faq.yaml", "runs/again")
        self.assertEqual(len(list(box.path("runs/again").glob("snapshots/0*"))), 1)

    def test_looking_is_rank_0s_alone(self):
        first, second = ranks.finish(ranks.start(box, 2, "train", "faq.yaml", "--dry-run"))
        self.assertEqual((first.returncode, second.returncode), (0, 0))
        self.assertIn("nothing was written", first.stdout)
        self.assertEqual(second.stdout, "")


class GoingOn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        alone("long.yaml", "runs/whole")

    def compare(self, store):
        self.assertLessEqual(largest_difference("runs/whole", store), 1e-6)

    def test_with_one_process_after_two(self):
        results = stop_after(ranks.start(box, 2, "train", "long.yaml", "--set", "store=runs/down"), "runs/down", 8)
        self.assertEqual([result.returncode for result in results], [-signal.SIGTERM] * 2, results[0].stderr)
        self.assertIn("the same command goes on from there", results[0].stderr)
        self.assertIn("resuming", alone("long.yaml", "runs/down").stderr)
        self.compare("runs/down")

    def test_with_two_processes_after_one(self):
        result, = stop_after([box.start("train", "long.yaml", "--set", "store=runs/up")], "runs/up", 8)
        self.assertEqual(result.returncode, -signal.SIGTERM)
        first, _ = together("long.yaml", "runs/up")
        self.assertIn("resuming", first.stderr)
        self.compare("runs/up")

    def test_a_signal_for_one_stops_all_at_one_step(self):
        results = stop_after(ranks.start(box, 2, "train", "long.yaml", "--set", "store=runs/one"), "runs/one", 8, pid=1)
        self.assertEqual([result.returncode for result in results], [-signal.SIGTERM] * 2, results[0].stderr)
        together("long.yaml", "runs/one")
        self.compare("runs/one")


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        box.write("long.yaml", LONG)
        box.write("pairs.yaml", PAIRS)
        pairs = [json.dumps({"prompt": f"What costs item {i}?", "chosen": f"Item {i} costs {i + 3} euros.",
                             "rejected": f"Nobody knows item {i}."}) for i in range(12)]
        box.write("pairs.jsonl", "\n".join(pairs[:10]) + "\n")
        box.write("pairs_valid.jsonl", "\n".join(pairs[10:]) + "\n")
        unittest.main()
