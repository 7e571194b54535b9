"""Week after week with data.replay: what was tokenised is not tokenised again, rows that are gone from the file come back
in part, and what was forgotten never does."""
import json
import signal
import unittest

from sandbox import Sandbox

RECIPE = """name: weekly
model: {path: model}
method: lora
lora: {rank: 4, alpha: 8}
data: {train: week.jsonl, max_tokens: 128, replay: {fraction: 1.0}}
train: {max_steps: 2, batch_rows: 2, learning_rate: 1.0e-3}
"""


def row(number):
    return json.dumps({"id": number, "messages": [{"role": "user", "content": f"What costs item {number}?"},
                                                  {"role": "assistant", "content": f"{number + 3} euros."}]})


class Weekly(unittest.TestCase):
    def week(self, numbers, *options):
        box.write("week.jsonl", "".join(row(number) + "\n" for number in numbers))
        result = box.must("train", "weekly.yaml", "--json", *options)
        return json.loads(result.stdout), result.stderr

    def seen(self, number, *options):
        found = json.loads(box.must("snapshots", "forget", "--store", "runs/weekly", "--where", f"id={number}", "--json", *options).stdout)
        return [one["number"] for one in found["snapshots"] if one["trained_rows"]]

    def test_1_weeks(self):
        summary, said = self.week(range(10))
        self.assertEqual(summary["data"]["train"]["cached"], 0)
        self.assertNotIn("replay", summary["data"]["train"])
        self.assertIn("replay: no row of an earlier snapshot is kept", said)

        summary, said = self.week(range(8, 14))
        train = summary["data"]["train"]
        self.assertEqual((train["cached"], train["replay"]), (2, [{"snapshot": 1, "rows": 6}]))
        self.assertEqual(train["rows"], 12)
        self.assertIn("2 from the cache", said)
        self.assertIn("replay: 6 rows of earlier data (6 of #1)", said)
        self.assertEqual(sum(2 in self.seen(number) for number in range(8)), 6, "the index of #2 has what was replayed")
        manifest = json.loads(box.path("runs/weekly/snapshots/0002/manifest.json").read_text())
        self.assertEqual(manifest["metrics"]["replay"], [{"snapshot": 1, "rows": 6}])

    def test_2_forgotten_rows_stay_away(self):
        self.assertEqual(self.seen(3, "--apply")[0], 1)
        self.assertFalse(box.path("runs/weekly/cache").exists())
        summary, _ = self.week(range(20, 40))
        self.assertEqual(summary["data"]["train"]["replay"], [{"snapshot": 1, "rows": 7}, {"snapshot": 2, "rows": 6}])
        self.assertIn(3, self.seen(4))
        self.assertNotIn(3, self.seen(3))

    def test_3_a_run_that_was_stopped_goes_on_with_the_same_rows(self):
        box.write("week.jsonl", "".join(row(number) + "\n" for number in range(50, 60)))
        words = ("train", "weekly.yaml", "--json", "--set", "train.max_steps=400", "--set", "train.epochs=100")
        process = box.start(*words)
        for line in process.stderr:
            if line.startswith("step "):
                break
        process.terminate()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGTERM)
        result = box.must(*words)
        self.assertIn("resuming", result.stderr)
        self.assertEqual(sum(one["rows"] for one in json.loads(result.stdout)["data"]["train"]["replay"]), 10)

    def test_4_the_kept_tokens_hold_no_text(self):
        for path in box.path("runs/weekly").rglob("*.rows"):
            self.assertNotIn(b"costs item", path.read_bytes())
            self.assertEqual(path.stat().st_mode & 0o077, 0)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        box.write("weekly.yaml", RECIPE)
        unittest.main()
