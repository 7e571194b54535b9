"""`slmtune train` beside the servers that its store deploys to: where memory is short they pause, and they serve again however the
training ends.

The llama-server is real and the shortage is not: in a mount namespace of its own the training reads another file as /proc/meminfo,
in which llama_server.py says that nothing is free while it runs (LLAMA_SERVER_MEMINFO).
"""
import shutil
import signal
import subprocess
import unittest

from deploy_case import PATIENCE, STORE, Case, box, served_by, wait_until
from llama_server import say_free
from ollama_server import OllamaServer
from sandbox import PROGRAM

# Runs a command with the file $0 as /proc/meminfo.
NAMESPACE = ["unshare", "-rm", "sh", "-c", 'mount --bind "$0" /proc/meminfo && exec "$@"']


def has_namespaces():
    return bool(shutil.which("unshare")) and subprocess.run([*NAMESPACE, "/proc/meminfo", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(has_namespaces(), "no mount namespace may be made here")
class Pause(Case):
    def setUp(self):
        super().setUp()
        self.meminfo = str(box.write("meminfo", ""))
        self.environment = {"LLAMA_SERVER_MEMINFO": self.meminfo}

    def start_llama_server(self):
        self.first = self.deploy("--kind", "llama-server", "--set", "server=llama-server", environment=self.environment)

    def train(self, *words):
        return subprocess.Popen([*NAMESPACE, self.meminfo, PROGRAM, "train", "faq.yaml", "--resume", "never", *words], cwd=box.root,
                                env=box.environment(self.environment), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, process):
        _, said = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, said)
        self.assertIn("target 'office' does not serve while this trains\n", said)
        self.assertRegex(said, r"nobody was served for \d")
        self.assertNotIn("paused", self.state())

    def assert_serves_again(self):
        self.assertEqual(served_by(self.first["where"]), "faq-0001")
        self.assertNotEqual(self.state()["current"]["pid"], self.first["pid"])

    def test_a_server_pauses_only_where_memory_is_short(self):
        self.start_llama_server()
        box.must("train", "faq.yaml", "--resume", "never", "-q")
        self.assertEqual(self.state()["current"]["pid"], self.first["pid"])
        self.finish(self.train())
        self.assert_serves_again()
        self.assertTrue(box.path(f"{STORE}/snapshots/0004").exists())

    def test_a_server_serves_again_after_a_training_that_was_stopped_or_killed(self):
        self.start_llama_server()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number):
                process = self.train("--set", "train.max_steps=1000000")
                self.assertTrue(any(line.startswith("model: ") for line in process.stderr))
                self.assertIsNone(served_by(self.first["where"]))
                self.assertIn("error[L001]", self.deploy(expect=75))
                process.send_signal(number)
                process.communicate(timeout=PATIENCE)
                self.assertEqual(process.returncode, -number)
                if number == signal.SIGTERM:
                    self.assert_serves_again()
        self.assertIsNone(served_by(self.first["where"]))
        self.assertTrue(self.state()["paused"])
        self.finish(self.train())
        self.assert_serves_again()

    def test_ollama_unloads_what_it_has_loaded_and_loads_it_again(self):
        with OllamaServer(box.path("ollama"), box.path("tokenizer/tokenizer.json")) as server:
            self.deploy("--kind", "ollama", "--set", "url=" + server.url)
            server.loaded = loaded = ["another:7b", "faq:latest"]
            server.models["another:7b"] = server.models["faq:latest"]
            say_free(0, self.meminfo)
            process = self.train()
            wait_until(lambda: not server.loaded or process.poll() is not None)
            say_free(16, self.meminfo)
            self.finish(process)
            self.assertEqual(server.loaded, loaded)
