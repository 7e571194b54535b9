"""When one of several processes fails, is killed or was started wrongly, the others end with a message that names it, and
what was saved stays good."""
import os
import signal
import time
import unittest

import ranks
from sandbox import FAQ, Sandbox

LONG = FAQ.replace("max_steps: 2, batch_rows: 2", "epochs: 1000, batch_rows: 4, save_minutes: 0.001")


def wait_for_checkpoint(store, process):
    while process.poll() is None and not list(box.path(store).glob("runs/*/checkpoints/step-*")):
        time.sleep(0.005)


def newest_step(store):
    return max(int(path.name[5:]) for path in box.path(store).glob("runs/*/checkpoints/step-*"))


class Killed(unittest.TestCase):
    def kill(self, rank):
        store = f"runs/killed{rank}"
        processes = ranks.start(box, 2, "train", "long.yaml", "--set", "store=" + store)
        wait_for_checkpoint(store, processes[0])
        processes[rank].kill()
        results = ranks.finish(processes)
        self.assertEqual(results[rank].returncode, -signal.SIGKILL)
        other = results[1 - rank]
        self.assertEqual(other.returncode, 75, other.stderr)
        self.assertIn(f"error[P003]: rank {rank} ", other.stderr)
        self.assertIn("goes on from the last checkpoint", other.stderr)
        step = newest_step(store)
        went_on = box.start("train", "long.yaml", "--set", "store=" + store)
        while went_on.poll() is None and newest_step(store) <= step:
            time.sleep(0.005)
        went_on.send_signal(signal.SIGTERM)
        result = ranks.Result(went_on)
        self.assertIn("resuming", result.stderr)
        self.assertGreater(newest_step(store), step)

    def test_rank_1(self):
        self.kill(1)

    def test_rank_0(self):
        self.kill(0)

    @unittest.skipUnless(ranks.has_mpi(), "OpenMPI is not installed")
    def test_under_mpirun(self):
        store = "runs/killed_mpi"
        launcher = ranks.mpirun(box, 2, "train", "long.yaml", "--set", "store=" + store)
        wait_for_checkpoint(store, launcher)
        children = ranks.children_of(launcher.pid)
        self.assertEqual(len(children), 2)
        os.kill(max(children), signal.SIGKILL)
        result = ranks.Result(launcher)
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(newest_step(store), 0)


class StartedWrongly(unittest.TestCase):
    def results(self, size=2, **options):
        return ranks.finish(ranks.start(box, size, "train", "faq.yaml", "--set", "store=runs/wrong", **options))

    def test_another_number_of_processes(self):
        first, second = self.results(changes={1: {"WORLD_SIZE": "3"}})
        self.assertEqual((first.returncode, second.returncode), (64, 64), first.stderr + second.stderr)
        self.assertIn("rank 1 was told of 3 processes, rank 0 of 2", first.stderr)

    def test_a_rank_that_is_never_started(self):
        short = {"SLMTUNE_RANK_SECONDS": "2"}
        processes = ranks.start(box, 2, "train", "faq.yaml", "--set", "store=runs/wrong",
                                changes={0: short, 1: {"RANK": "x"}})
        first, second = ranks.finish(processes)
        self.assertEqual(second.returncode, 64)
        self.assertIn("error[P001]: 'x' is no whole number", second.stderr)
        self.assertEqual(first.returncode, 69)
        self.assertIn("error[P005]: rank 1 did not come within 2", first.stderr)

    def test_another_recipe(self):
        first, second = self.results(words_of={1: ("train", "faq.yaml", "--set", "store=runs/wrong", "--set", "train.seed=8")})
        self.assertEqual(second.returncode, 64, second.stderr)
        self.assertIn("error[P002]: 'train.seed' is '8' on rank 1 and '7' on rank 0", second.stderr)
        self.assertEqual(first.returncode, 75)
        self.assertIn("rank 1 ended: error[P002]: 'train.seed' is '8'", first.stderr)
        self.assertEqual(list(box.path("runs/wrong").glob("snapshots/0*")), [])

    def test_a_rank_without_the_rows(self):
        other = ("train", "faq.yaml", "--set", "data.valid={path: faq.yaml}")
        first, second = self.results(words_of={1: other})
        self.assertEqual(second.returncode, 65, second.stderr)
        self.assertEqual(first.returncode, 75)
        self.assertIn("rank 1 ended: error[D002]", first.stderr)

    @unittest.skipUnless(ranks.has_mpi(), "OpenMPI is not installed")
    def test_variables_that_mpirun_does_not_mean(self):
        processes = ranks.start(box, 1, "train", "faq.yaml", "--set", "store=runs/wrong")
        self.assertEqual(ranks.finish(processes)[0].returncode, 0)
        lone = box.run("train", "faq.yaml", "--set", "store=runs/lone", environment={
            "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"})
        self.assertEqual(lone.returncode, 64, lone.stderr)
        self.assertIn("error[P002]: MPI counts this process as rank 0 of 1", lone.stderr)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        box.write("long.yaml", LONG)
        unittest.main()
