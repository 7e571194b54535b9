"""scripts/gpu_check.sh with stand-ins for the driver, LibTorch and the programs: which parts run, in which time, what is
written when one fails, and what is said where something is missing."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["SLMTUNE_SOURCE"])
BUILD = pathlib.Path(os.environ["SLMTUNE"]).parent
TABLE = "| kernel | rate |\n|---|---|\n| copy | 1 GB/s |\n"
TOOLS = ("awk bash cat chmod cut date dirname env git grep kill mkdir python3 rm sed sh sleep tail timeout tr").split()
KERNELS = '{"bf16_operations_per_second": 2e14}'


class GpuCheck(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="gpu-check-"))
        self.addCleanup(shutil.rmtree, self.root)
        # The layout that pack_gpu_check.sh makes.
        for name in ("gpu_check.sh", "gpu_check_results.sh"):
            self.copy(SOURCE / "scripts" / name, f"tree/scripts/{name}")
        self.program("bin/nvidia-smi", 'echo "NVIDIA Test 4090, 24564, 580.1, 8.9"')
        self.program("tree/build/cuda/gpu_test", "echo 'inputs: SLMTUNE_GPU_SEED=3'")
        self.program("tree/build/cuda/gpu_kernels", f"printf '{TABLE}'; echo '{KERNELS}' >$2".replace("\n", "\\n"))
        for script in ("gpu_training.py", "gpu_peers.py"):
            self.write(f"tree/benchmarks/{script}", f"""
import pathlib, sys
out = sys.argv[sys.argv.index("--out") + 1]
pathlib.Path(out + ".json").write_text('{{"cases": []}}')
print("| {script} | " + pathlib.Path(out).name + " |")
""")
        self.write("torch/lib/libtorch_cuda.so", "")
        self.write("torch/version.py", "__version__ = '2.11.0+cu130'\n")
        for name in TOOLS:  # so that a driver or sanitizer of this machine is not met
            (self.root / "bin" / name).symlink_to(shutil.which(name))

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def copy(self, source, name):
        self.write(name, source.read_text()).chmod(0o755)

    def program(self, name, body):
        self.write(name, f"#!/bin/sh\n{body}\n").chmod(0o755)

    def check(self, *options, libtorch="torch"):
        command = [str(self.root / "tree/scripts/gpu_check.sh"), *options]
        if libtorch:
            command.append(str(self.root / libtorch))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=self.root,
                              env={"PATH": str(self.root / "bin"), "CUDA_HOME": str(self.root)})
        return done.returncode, done.stdout, done.stderr

    def results(self, name="nvidia-test-4090"):
        folder = self.root / "tree/benchmarks/results"
        return json.loads((folder / f"{name}.json").read_text()), (folder / f"{name}.md").read_text()

    def outcome(self, record):
        return {part["name"]: part["result"] for part in record["parts"]}

    def test_everything_passes_and_is_written_down(self):
        self.program("bin/compute-sanitizer", 'echo "$@"')
        status, text, errors = self.check()
        self.assertEqual((status, errors), (0, ""))
        record, page = self.results()
        self.assertEqual(self.outcome(record), {name: "passed" for name in (
            "build", "tests", "memcheck", "racecheck", "kernels", "training", "card-12", "card-24", "peers", "models")})
        self.assertEqual((record["gpu"], record["memory_mib"], record["compute_capability"], record["libtorch"]),
                         ("NVIDIA Test 4090", 24564, "8.9", "2.11.0+cu130"))
        self.assertEqual(record["kernels"], json.loads(KERNELS))
        self.assertEqual(record["training"], {"cases": []})
        for line in ("# NVIDIA Test 4090", "| tests | passed |", "| copy | 1 GB/s |", "## Training within 12 GiB",
                     "| gpu_training.py | card-12 |", "| gpu_peers.py | peers |"):
            self.assertIn(line, page)
        self.assertIn("--kernel-name kns=slmtune", (self.root / "tree/build/cuda/gpu-check/memcheck.log").read_text())
        self.assertIn("results:", text)

    def test_a_part_that_fails_does_not_end_the_others(self):
        self.program("tree/build/cuda/gpu_test", 'echo "Family/Every differs: \\"3e-1\\""; exit 1')
        status, text, _ = self.check("--parts", "build,tests,kernels")
        self.assertEqual(status, 1)
        record, page = self.results()
        self.assertEqual(self.outcome(record), {"build": "passed", "tests": "failed", "kernels": "passed"})
        self.assertEqual(record["parts"][1]["remark"], "Family/Every differs: 3e-1")
        self.assertIn("| tests | failed |", page)
        self.assertIn("Family/Every differs", text)

    def test_tests_that_were_skipped_beside_a_gpu_have_failed(self):
        self.program("tree/build/cuda/gpu_test", "echo 'skipped: no GPU: error[G001]: built without CUDA'; exit 77")
        status, _, _ = self.check("--parts", "tests")
        record, _ = self.results()
        self.assertEqual((status, self.outcome(record)), (1, {"tests": "failed"}))
        self.assertIn("G001", record["parts"][0]["remark"])

    def test_a_crash_is_a_failure(self):
        self.program("tree/build/cuda/gpu_kernels", "kill -SEGV $$")
        status, _, _ = self.check("--parts", "kernels")
        self.assertEqual((status, self.outcome(self.results()[0])), (1, {"kernels": "failed"}))

    def test_a_part_is_stopped_when_the_time_is_over_and_later_ones_are_left_out(self):
        self.program("tree/build/cuda/gpu_test", "sleep 100 & wait")
        status, _, _ = self.check("--parts", "tests,kernels", "--seconds", "7")
        self.assertEqual(status, 1)
        self.assertEqual(self.outcome(self.results()[0]), {"tests": "out of time", "kernels": "left out"})

    def test_what_is_not_installed_is_left_out(self):
        status, _, _ = self.check("--parts", "memcheck,racecheck")
        record, _ = self.results()
        self.assertEqual((status, self.outcome(record)), (0, {"memcheck": "left out", "racecheck": "left out"}))
        self.assertEqual(record["parts"][0]["remark"], "compute-sanitizer is not installed")

    def test_quick_is_a_file_of_its_own(self):
        status, _, _ = self.check("--quick")
        self.assertEqual(status, 0)
        record, _ = self.results("nvidia-test-4090-quick")
        self.assertEqual(list(self.outcome(record)), ["build", "tests", "kernels", "training"])
        self.assertEqual(record["mode"], "quick")

    @unittest.skipIf(pathlib.Path("/usr/local/nvidia/bin/nvidia-smi").exists(), "this machine has a driver")
    def test_without_a_driver_or_gpu_or_libtorch_nothing_is_run(self):
        (self.root / "bin/nvidia-smi").unlink()
        status, _, errors = self.check()
        self.assertEqual(status, 69)
        self.assertIn("no NVIDIA driver", errors)
        self.program("bin/nvidia-smi", 'echo "No devices were found"; exit 6')
        status, _, errors = self.check()
        self.assertEqual(status, 69)
        self.assertIn("shows no GPU: No devices were found", errors)
        self.setUp()
        (self.root / "torch/lib/libtorch_cuda.so").unlink()
        status, _, errors = self.check()
        self.assertEqual(status, 69)
        self.assertIn("libtorch_cuda.so' is missing", errors)
        self.write("torch/lib/libtorch_cuda.so", "")
        self.write("torch/version.py", "__version__ = '2.9.1+cu128'\n")
        status, _, errors = self.check()
        self.assertEqual(status, 69)
        self.assertIn("'2.9.1+cu128'; slmtune is built against 2.11", errors)
        self.assertFalse((self.root / "tree/benchmarks/results").exists())

    def test_wrong_options_are_refused(self):
        for options, said in ((["--fast"], "unknown option '--fast'"), (["--parts", "tests,speed"], "no part 'speed'"),
                              (["--seconds", "soon"], "not 'soon'"), (["--out"], "--out needs a value")):
            status, _, errors = self.check(*options, libtorch=None)
            self.assertEqual(status, 64, options)
            self.assertIn(said, errors)

    def test_a_carried_build_without_its_programs_fails_by_name(self):
        (self.root / "tree/build/cuda/gpu_test").unlink()
        status, _, _ = self.check("--dry-run", "--parts", "build", "--out", str(self.root / "out"))
        self.assertEqual(status, 1)
        self.assertIn("gpu_test' is missing", (self.root / "out/dry-run.md").read_text())


class ThisBuild(unittest.TestCase):
    """The real programs, with the CPU in the GPU's place."""

    def test_dry_run_goes_through_every_part(self):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run([SOURCE / "scripts/gpu_check.sh", "--dry-run", "--build", BUILD, "--out", out, "--parts",
                                   "build,tests,memcheck,kernels,training,card-12,peers"], capture_output=True, text=True,
                                  timeout=300, env={**os.environ, "GTEST_FILTER": "KernelRope*"})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            record = json.loads(pathlib.Path(out, "dry-run.json").read_text())
            results = {part["name"]: part["result"] for part in record["parts"]}
            self.assertEqual(results["memcheck"], "left out")
            for name in ("build", "tests", "kernels", "training", "card-12", "peers"):
                self.assertEqual(results[name], "passed", name)
            names = {row["name"] for row in record["kernels"]["kernels"]}
            self.assertLessEqual({"copy", "product", "dequantise nf4", "dequantise int8", "quantise nf4", "rms_norm",
                                  "residual add + rms_norm", "rms_norm backward + add", "rms_norm, its weight trains",
                                  "embedding", "swiglu", "swiglu backward", "geglu", "rope", "cross-entropy, soft-cap",
                                  "attention, both passes", "attention, soft-cap, both passes", "adamw", "adamw8bit"}, names)
            sides = record["peers"]["cases"][0]["sides"]
            self.assertEqual(set(sides), {"slmtune", "peer"})
            self.assertTrue(record["peers"]["equal"])


class Pack(unittest.TestCase):
    def test_all_that_is_needed_travels_in_64_megabytes(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "pack.tar.gz")
            done = subprocess.run([SOURCE / "scripts/pack_gpu_check.sh", BUILD, file], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertLess(file.stat().st_size, 64_000_000)
            subprocess.run(["tar", "-C", folder, "-xf", file], check=True)
            top = pathlib.Path(folder, "slmtune-gpu-check")
            helped = subprocess.run([top / "scripts/gpu_check.sh", "--help"], capture_output=True, text=True)
            self.assertIn("--quick", helped.stdout)
            started = subprocess.run([top / "build/cuda/slmtune", "--version"], capture_output=True, text=True,
                                     env={"LD_LIBRARY_PATH": str(top / "build/cuda/lib")})
            self.assertEqual(started.returncode, 0, started.stderr)
            subprocess.run(["python3", "-c", "import gpu_matmul, gpu_peers, gpu_training"], cwd=top / "benchmarks", check=True)


if __name__ == "__main__":
    unittest.main()
