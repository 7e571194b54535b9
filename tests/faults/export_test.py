"""Whatever ends `slmtune export` (a kill, a power cut, a full disk, a broken one, a bad adapter or base), no half file has a
public name, what was in the folder stays, and the same command works afterwards and leaves nothing hidden behind.

SLMTUNE_COUNTS=full: every call of the export instead of a sample of them."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from sandbox import Sandbox  # noqa: E402

FULL = os.environ.get("SLMTUNE_COUNTS") == "full"
SHIM = os.environ["FAULT_SHIM"]
SAMPLE = 8
OTHER = "of somebody else"
EXITS = {"kill-half": -9, "kill-after": -9, "power-cut": -9, "no-space": 74, "input-error": 74}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


class Faults(unittest.TestCase):
    def setUp(self):
        self.out = box.path("out")
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        (self.out / "other.gguf").write_text(OTHER)
        self.words = ["export", "runs/faq#1", "--encoding", "q8_0", "--to", "out/faq.gguf", "-q"]

    def with_fault(self, **more):
        return {"LD_PRELOAD": SHIM, "SLMTUNE_FAULT_ROOT": str(self.out), **more}

    def check_whole(self):
        """What has a public name is whole."""
        found = files(self.out)
        self.assertEqual(found["other.gguf"].decode(), OTHER)
        if "faq.gguf" in found:
            self.assertEqual(hashlib.sha256(found["faq.gguf"]).hexdigest(), self.sha256)
        if "verify.json" in found:
            [record] = json.loads(found["verify.json"])["files"]
            self.assertEqual(record["sha256"], self.sha256)
            self.assertIn("faq.gguf", found, "the record comes after the file")
        return found

    def check_again(self):
        """The same command finishes what was left."""
        if "faq.gguf" in files(self.out):
            (self.out / "faq.gguf").unlink()
        box.must(*self.words)
        self.assertEqual(sorted(self.check_whole()), ["Modelfile", "faq.gguf", "other.gguf", "verify.json"])

    def test_every_fault_at_every_call(self):
        report = box.path("report")
        box.must(*self.words, environment=self.with_fault(SLMTUNE_FAULT_REPORT=str(report)))
        self.sha256 = hashlib.sha256((self.out / "faq.gguf").read_bytes()).hexdigest()
        calls = len(report.read_text().splitlines())
        cases = [(fault, at) for fault in EXITS for at in range(1, calls + 1)]
        ended = 0
        for fault, at in cases if FULL else random.sample(cases, SAMPLE):
            self.setUp()
            result = box.run(*self.words, environment=self.with_fault(SLMTUNE_FAULT=fault, SLMTUNE_FAULT_AT=str(at)))
            # A call that cannot have the fault goes through.
            self.assertIn(result.returncode, (0, EXITS[fault]), f"{fault} at {at}: {result.stderr}")
            ended += result.returncode != 0
            found = self.check_whole()
            if EXITS[fault] != -9 and fault != "input-error":
                self.assertEqual([name for name in found if name.startswith(".")], [], f"{fault} at {at}")
            self.check_again()
        self.assertGreater(ended, 0)
        print(f"{len(cases) if FULL else SAMPLE} of {len(cases)} faults over {calls} calls, {ended} ended the export")

    def refused(self, code, *codes, words=None):
        result = box.run(*(words or self.words))
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertTrue(any(f"error[{name}]" in result.stderr for name in codes), result.stderr)
        self.assertEqual(list(files(self.out)), ["other.gguf"])

    def damaged(self, name, damage):
        """A copy of a folder with one file changed."""
        folder = box.path("damaged")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(box.path(name).parent, folder)
        file = folder / pathlib.Path(name).name
        content = damage(bytearray(file.read_bytes()))
        file.unlink()
        file.write_bytes(content)
        return folder

    def test_a_bad_adapter_leaves_nothing(self):
        adapter = "runs/faq/snapshots/0001/adapter_model.safetensors"

        def with_adapter(damage):
            folder = self.damaged(adapter, damage)
            for name in ("manifest.json", "recipe.yaml"):
                (folder / name).unlink()
            return ["export", "model", "--adapter", "damaged", "--to", "out/faq.gguf"]

        self.refused(65, "F012", words=with_adapter(lambda content: content[:-8]))
        self.refused(65, "F010", words=with_adapter(lambda content: b"\xff" * 16 + content[16:]))

        def not_a_number(content):
            header = int.from_bytes(content[:8], "little")
            content[8 + header:8 + header + 4] = b"\x00\x00\xc0\x7f"
            return content

        self.refused(65, "F096", words=with_adapter(not_a_number))

    def test_a_damaged_base_leaves_nothing(self):
        self.damaged("model/model.safetensors", lambda content: content[:len(content) // 2])
        self.refused(65, "F012", words=["export", "damaged", "--to", "out/faq.gguf"])

    def test_a_folder_that_cannot_be_made_is_said_to_be(self):
        self.refused(73, "W004", words=["export", "model", "--to", "out/other.gguf/faq.gguf"])


if __name__ == "__main__":
    random.seed(5)
    with Sandbox() as box:
        box.make_model()
        unittest.main()
