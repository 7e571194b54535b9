"""`slmtune deploy` with an Ollama of the test's own (ollama_server.py)."""
import pathlib
import shutil
import subprocess
import tempfile
import time

from deploy_case import KILLS, STORE, Case, box
from ollama_server import OllamaServer
from sandbox import PROGRAM, TOKENIZER


class Ollama(Case):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="slmtune-ollama-"))
        self.addCleanup(shutil.rmtree, folder, True)
        self.server = OllamaServer(folder, TOKENIZER / "tokenizer.json")
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def start(self, *more, snapshot=f"{STORE}#1", expect=0):
        return self.deploy("--kind", "ollama", "--set", "url=" + self.server.url, *more, snapshot=snapshot, expect=expect)

    def latest(self):
        return next((name for name in self.server.models
                     if name != "faq:latest" and self.server.models[name] == self.server.models.get("faq:latest")), None)

    def test_each_snapshot_is_a_tag_and_latest_a_copy(self):
        first = self.start()
        self.assertEqual(first["probe"], {"prompts": 100, "equal": 100, "compared": "token counts"})
        self.assertEqual((first["name"], self.latest()), ("0001", "faq:0001"))
        made = self.server.models["faq:0001"]
        self.assertEqual(made["parameters"]["num_ctx"], 256)
        self.assertIn("<|im_end|>", made["parameters"]["stop"])
        self.server.requests.clear()
        self.assertFalse(self.deploy()["changed"])
        self.assertFalse([one for one in self.server.requests if one.startswith("POST")])
        self.deploy(snapshot=f"{STORE}#2")
        self.assertEqual(self.latest(), "faq:0002")
        self.assertNotIn("faq:0001", self.server.loaded)
        self.server.requests.clear()
        back = self.deploy("--rollback", snapshot=STORE)
        self.assertLess(back["seconds"], 10)
        self.assertEqual(self.latest(), "faq:0001")
        self.assertNotIn("POST /api/create", self.server.requests)
        self.assertEqual(self.moves(), [("deploy", 1, 0), ("deploy", 2, 1), ("rollback", 1, 2)])

    def test_verify_finds_what_is_missing_stale_or_changed(self):
        first = self.start()
        blob = self.server.blob_path("sha256:" + first["sha256"])
        content = blob.read_bytes()
        def repaired():
            report = self.deploy("--verify", snapshot=STORE)
            self.assertEqual((self.latest(), blob.read_bytes()), ("faq:0001", content))
            return report["repaired"]
        self.assertIsNone(repaired())
        blob.unlink()
        self.assertEqual(repaired(), "the weights of 'faq:0001' are missing in Ollama")
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        self.assertEqual(repaired(), "the weights of 'faq:0001' were changed on Ollama's disk")
        self.server.models["faq:latest"] = {**self.server.models["faq:0001"], "template": "other"}
        self.assertEqual(repaired(), "'faq:latest' is another model")
        self.server.models["faq:0001"] = {**self.server.models["faq:0001"], "template": "other"}
        self.assertEqual(repaired(), "'faq:0001' in Ollama is not what was pushed")
        del self.server.models["faq:0001"]
        self.assertEqual(repaired(), "Ollama has no model 'faq:0001'")

    def test_adapters_go_by_version_and_fall_back_to_the_merged_model(self):
        self.server.models["base:latest"] = {"layers": [{"type": "application/vnd.ollama.image.model", "digest": "sha256:" + "0" * 64}],
                                             "template": "", "parameters": {}}
        result = subprocess.run([PROGRAM, "deploy", f"{STORE}#1", "--target", "office", "--kind", "ollama", "--set",
                                 "url=" + self.server.url, "--set", "base=base"], cwd=box.root, env=box.environment(), text=True,
                                capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = [line for line in result.stderr.splitlines() if "adapter" in line]
        self.assertEqual(said, ["deploy: Ollama 0.35.0 takes no adapters (0.5.5 to 0.34.0 do), so the merged model is pushed"])
        self.server.version = "0.34.0"
        pushed = self.deploy(snapshot=f"{STORE}#2")
        self.assertTrue(pushed["adapter"])
        self.assertEqual([layer["type"].rsplit(".", 1)[1] for layer in self.server.models["faq:latest"]["layers"]],
                         ["model", "adapter"])
        self.server.version = "0.5.4"
        self.assertIn("this Ollama is older than 0.5.5", self.deploy("--verify", expect=69))

    def test_refusals_leave_the_old_model(self):
        self.start()
        for path, fault, said in (("/api/create", "stream", "no space left on device"), ("/api/create", "500", "out of order"),
                                  ("/api/copy", "500", "out of order"), ("/api/chat", "cut", "not reached"),
                                  ("/api/version", "cut", "not reached")):
            with self.subTest(path=path, fault=fault):
                self.server.faults[path] = [fault]
                text = self.deploy(snapshot=f"{STORE}#2", expect=69)
                self.assertIn(said, text)
                self.assertEqual(self.latest(), "faq:0001")
                self.assertNotIn("faq:0002", self.server.models)
        self.server.bos = 1
        self.assertIn("error[V002]: 100 of 100 probe chats", self.deploy(snapshot=f"{STORE}#2", expect=3))
        self.assertEqual((self.latest(), self.state()["failed_code"]), ("faq:0001", "V002"))
        self.server.bos = 0
        self.deploy(snapshot=f"{STORE}#2")
        self.assertEqual(self.latest(), "faq:0002")

    def test_a_kill_at_any_request_leaves_a_model_and_the_command_completes(self):
        self.start()
        self.server.requests.clear()
        self.deploy(snapshot=f"{STORE}#2")
        total, number = len(self.server.requests), 1
        for i in range(KILLS):
            with self.subTest(kill=i):
                self.server.requests.clear()
                process = subprocess.Popen([PROGRAM, "deploy", f"{STORE}#{number}", "--target", "office"], cwd=box.root,
                                           env=box.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while len(self.server.requests) <= i * total // KILLS and process.poll() is None:
                    time.sleep(0.001)
                process.kill()
                process.wait()
                self.assertIn(self.latest(), ("faq:0001", "faq:0002"))
                self.deploy(snapshot=f"{STORE}#{number}")
                self.assertEqual(self.latest(), f"faq:000{number}")
                number = 3 - number

    def test_a_key_and_a_server_that_is_not_there(self):
        self.server.token = "secret-key"
        box.write("ollama.key", "secret-key\n")
        self.assertIn("error[V005]", self.start(expect=69))
        file = box.path(f"{STORE}/deploy/office.yaml")
        file.write_text(file.read_text().replace("token_file: null", f"token_file: {box.path('ollama.key')}"))
        self.deploy()
        self.server.__exit__()
        self.assertIn("error[V001]: the server was not reached", self.deploy(snapshot=f"{STORE}#2", expect=69))
