"""A run or an export that the disk cannot hold is refused before anything is written: exit 74, needed and free bytes."""
import os
import re
import unittest

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from sandbox import FAQ, Sandbox  # noqa: E402

SHIM = os.environ["FAULT_SHIM"]


def with_free_bytes(count, root):
    return {"LD_PRELOAD": SHIM, "SLMTUNE_FAULT_ROOT": str(root), "SLMTUNE_FAULT_FREE": str(count)}


class DiskSpace(unittest.TestCase):
    def refused(self, words, environment):
        result = box.run(*words, environment=environment)
        self.assertEqual(result.returncode, 74, result.stderr)
        self.assertRegex(result.stderr, r"error\[W002\].* needs [\d.]+ [KMG]iB and [\d.]+ [KMG]?i?B are free")
        return result.stderr

    def test_a_run_is_refused_before_it_starts(self):
        message = self.refused(["train", "faq.yaml", "--set", "store=runs/full"], with_free_bytes(1 << 20, box.root))
        self.assertIn("4 checkpoints", message)
        self.assertIn("1.0 MiB are free", message)
        left = [path.name for path in box.path("runs/full").rglob("*") if path.is_file() and path.stat().st_size]
        self.assertEqual(left, [], "only the lock and an empty journal are there")
        box.must("train", "faq.yaml", "--set", "store=runs/full", "-q")

    def test_exports_count_on_the_disk_they_go_to(self):
        recipe = FAQ + "export: [{format: gguf, encoding: q8_0}, {format: hf, to: elsewhere/hf}]\n"
        box.write("exports.yaml", recipe)
        words = ["train", "exports.yaml", "--set", "store=runs/exports"]
        message = self.refused(words, with_free_bytes(30 << 20, box.root))
        for part in ("4 checkpoints", "the snapshot", "the export as q8_0", "the export as a folder"):
            self.assertIn(part, message)
        self.assertFalse(box.path("elsewhere").exists())
        box.must(*words, "-q", environment=with_free_bytes(40 << 20, box.root))

    def test_the_need_is_that_of_the_files(self):
        """Not less than what is written, and at most the allowance for small files more."""
        message = self.refused(["train", "base.yaml", "--set", "store=runs/need"], with_free_bytes(1 << 20, box.root))
        need = float(re.search(r"needs ([\d.]+) MiB", message).group(1)) * (1 << 20)
        box.must("train", "base.yaml", "--set", "store=runs/need", "-q")
        written = {kind: sum(path.stat().st_size for path in box.path("runs/need").glob(pattern))
                   for kind, pattern in (("checkpoint", "runs/*/checkpoints/step-000002/*"), ("snapshot", "snapshots/0001/*"))}
        total = 4 * written["checkpoint"] + written["snapshot"]
        self.assertGreaterEqual(need * 1.05, total)
        self.assertLessEqual(need, total + (17 << 20))
        print(f"needed {need / (1 << 20):.1f} MiB, written {total / (1 << 20):.1f} MiB")

    def test_an_export_is_refused_before_its_folder_is_made(self):
        for format in ("gguf", "hf"):
            words = ["export", "runs/faq#latest", "--format", format, "--to", "new/place"]
            self.refused(words, with_free_bytes(1000, box.root))
            self.assertFalse(box.path("new").exists(), format)


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
