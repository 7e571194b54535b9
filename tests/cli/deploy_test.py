"""`slmtune deploy` with the real llama.cpp server (llama_server.py over xllamacpp), with folders, with an Ollama of the test's own
(deploy_ollama.py) and beside a training (deploy_pause.py): what serves, that it reads prompts as training did, that a kill at any
moment leaves the old or the new model serving, and that running the same command again completes it. With SLMTUNE_COUNTS=full 50
kills of each kind in place of few.
"""
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error

try:
    import xllamacpp  # noqa: F401
except ImportError:
    print("skipped: xllamacpp is not installed")
    sys.exit(77)

from deploy_case import FULL, KILLS, PATIENCE, STORE, Case, ask, box, free_port, make_store, served_by
from deploy_ollama import Ollama  # noqa: F401
from deploy_pause import Pause  # noqa: F401
from sandbox import PROGRAM


class LlamaServer(Case):
    def start(self, *more, snapshot=f"{STORE}#1"):
        return self.deploy("--kind", "llama-server", "--set", "server=llama-server", *more, snapshot=snapshot)

    def wait_for(self, url, names):
        """One of `names` answers, at the latest after the server's own start."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if (name := served_by(url)) in names:
                return name
            time.sleep(0.05)
        self.fail(f"none of {names} answers at {url}")

    def test_a_server_is_started_probed_exchanged_and_taken_back(self):
        first = self.start()
        self.assertEqual(first["probe"], {"prompts": 100, "equal": 100, "compared": "token ids"})
        self.assertEqual(served_by(first["where"]), "faq-0001")
        self.assertFalse(self.deploy()["changed"])
        second = self.deploy(snapshot=f"{STORE}#2")
        # A port of its own: the old one answered until the new one did.
        self.assertNotEqual(second["where"], first["where"])
        self.assertNotIn("gap_seconds", second)
        self.assertEqual((served_by(second["where"]), served_by(first["where"])), ("faq-0002", None))
        back = self.deploy("--rollback", snapshot=STORE)
        self.assertEqual((back["number"], served_by(back["where"]), served_by(second["where"])), (1, "faq-0001", None))
        print(f"rollback of llama-server: {back['seconds']:.2f} s", file=sys.stderr)
        self.assertEqual(self.moves(), [("deploy", 1, 0), ("deploy", 2, 1), ("rollback", 1, 2)])
        self.assertIn("error[V007]", self.deploy("--rollback", snapshot=STORE, expect=66))

    def test_a_port_that_stays_has_a_gap_that_is_measured(self):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.start("--set", f"port={port}")
        self.assertEqual(served_by(url), "faq-0001")
        second = self.deploy(snapshot=f"{STORE}#2")
        self.assertEqual((second["where"], served_by(url)), (url, "faq-0002"))
        self.assertGreater(second["gap_seconds"], 0)
        print(f"exchange on one port: nobody was served for {second['gap_seconds']:.2f} s", file=sys.stderr)

    def test_greedy_answers_are_slmtunes_own(self):
        url = self.start("--set", "encoding=f16")["where"]
        rows = [json.loads(line)["messages"] for line in box.path("rows.jsonl").read_text().splitlines()]
        prompts = [messages[0]["content"] + f" ({i})" for i in range(10 if FULL else 1) for messages in rows]
        equal = 0
        for prompt in prompts if FULL else prompts[:3]:
            ours = json.loads(box.must("generate", f"{STORE}#1", "--prompt", prompt, "--greedy", "--max-tokens", "8", "--json",
                                       "--dtype", "float32").stdout)
            theirs = ask(url + "/v1/chat/completions", {"messages": [{"role": "user", "content": prompt}], "max_tokens": 8,
                                                        "temperature": 0})
            equal += ours["text"] == theirs["choices"][0]["message"]["content"]
        count = len(prompts) if FULL else 3
        print(f"greedy answers equal: {equal} of {count}", file=sys.stderr)
        self.assertGreaterEqual(equal, 0.95 * count if FULL else count - 1)

    def test_another_chat_template_is_found_and_the_old_model_stays(self):
        first = self.start()
        file = box.path(f"{STORE}/deploy/office.yaml")
        file.write_text(file.read_text().replace("arguments: []", "arguments: [--chat-template, llama2]"))
        said = self.deploy(snapshot=f"{STORE}#2", expect=3)
        self.assertRegex(said, r"error\[V002\]: \d+ of 100 probe chats become other tokens than in training")
        self.assertEqual(served_by(first["where"]), "faq-0001")
        state = self.state()
        self.assertEqual((state["current"]["number"], state["failed_number"], state["failed_code"]), (1, 2, "V002"))
        self.assertEqual(self.moves()[-2:], [("deploy", 2, 1), ("refuse", 2, 1)])

    def test_a_server_that_does_not_come_up_leaves_the_old_one(self):
        port = free_port()
        first = self.start("--set", f"port={port}")
        said = self.deploy(snapshot=f"{STORE}#2", expect=69, environment={"LLAMA_SERVER_FAULT": "exit"})
        self.assertIn("error[V003]: the server ended while it loaded the model", said)
        self.assertEqual(served_by(first["where"]), "faq-0001")
        self.deploy(snapshot=f"{STORE}#2")
        self.assertEqual(served_by(first["where"]), "faq-0002")

    def test_a_port_of_another_program_is_left_alone(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            result = subprocess.run([PROGRAM, "deploy", f"{STORE}#1", "--target", "office", "--kind", "llama-server", "--set",
                                     "server=llama-server", "--set", f"port={port}"], cwd=box.root, env=box.environment(),
                                    text=True, capture_output=True)
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assertIn("error[V003]: another program listens at this port", result.stderr)

    def test_a_key_is_passed_by_file_and_used(self):
        box.write("office.key", "secret-key\n")
        url = self.start("--set", "token_file=office.key")["where"]
        self.assertEqual(ask(url + "/props", token="secret-key")["model_path"][-5:], ".gguf")
        with self.assertRaises(urllib.error.HTTPError):
            ask(url + "/tokenize", {"content": "x"})
        for path in box.path(STORE + "/deploy").iterdir():
            self.assertNotIn("secret-key", path.read_text())

    def test_verify_starts_a_server_that_is_gone(self):
        first = self.start()
        os.kill(first["pid"], signal.SIGKILL)
        again = self.deploy("--verify", snapshot=STORE)
        self.assertEqual((again["number"], again["repaired"]), (1, "the server does not run"))
        self.assertEqual(served_by(again["where"]), "faq-0001")
        whole = self.deploy("--verify", snapshot=STORE)
        self.assertEqual((whole["changed"], whole["probe"]["equal"]), (False, 100))

    def kill_while_deploying(self, url, number, seconds, victim):
        process = subprocess.Popen([PROGRAM, "deploy", f"{STORE}#{number}", "--target", "office"], cwd=box.root,
                                   env=box.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        if victim == "slmtune":
            process.kill()
        else:
            state = self.state()
            one = state["pending"] if victim == "next" and state["pending"] else state["current"]
            if one and one.get("pid"):
                try:
                    os.kill(one["pid"], signal.SIGKILL)
                except ProcessLookupError:
                    pass
        process.wait(timeout=120)

    def complete(self, number):
        """The same command again, until whoever finishes the exchange lets go of the lock."""
        until = time.monotonic() + PATIENCE
        while True:
            result = box.run("deploy", f"{STORE}#{number}", "--target", "office")
            if result.returncode == 0:
                return
            self.assertEqual(result.returncode, 75, result.stderr)
            self.assertLess(time.monotonic(), until, result.stderr)
            time.sleep(0.1)

    def test_a_kill_at_any_moment_leaves_a_model_serving(self):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        first = self.start("--set", f"port={port}")
        took = self.deploy(snapshot=f"{STORE}#2")["seconds"]
        number = 1
        for i in range(KILLS):
            with self.subTest(kill=i):
                self.kill_while_deploying(url, number, (i + 0.5) * (took + 0.2) / KILLS, "slmtune")
                self.wait_for(url, {"faq-0001", "faq-0002"})
                self.complete(number)
                self.assertEqual(served_by(url), f"faq-000{number}")
                number = 3 - number
        self.assertEqual(first["where"], url)

    def test_a_server_killed_at_any_moment_is_replaced(self):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        self.start("--set", f"port={port}")
        took = self.deploy(snapshot=f"{STORE}#2")["seconds"]
        number = 1
        for i in range(KILLS if FULL else 2):
            with self.subTest(kill=i):
                self.kill_while_deploying(url, number, (i + 0.5) * (took + 0.2) / (KILLS if FULL else 2),
                                          "next" if i % 2 == 0 else "old")
                self.complete(number)
                self.assertEqual(served_by(url), f"faq-000{number}")
                number = 3 - number

    def test_the_server_survives_slmtune_and_its_terminal(self):
        first = self.start()
        self.assertEqual(os.getsid(first["pid"]), first["pid"])
        self.assertEqual(pathlib.Path(f"/proc/{first['pid']}/fd/0").resolve(), pathlib.Path("/dev/null"))
        self.assertEqual(served_by(first["where"]), "faq-0001")


class Folder(Case):
    def test_a_folder_gets_a_link_to_a_numbered_file(self):
        self.deploy("--kind", "folder", "--set", "path=served")
        link = box.path("served/current.gguf")
        self.assertEqual(os.readlink(link), "faq-0001-q8_0.gguf")
        opened = link.open("rb")
        self.deploy(snapshot=f"{STORE}#2")
        # Whoever has the old file open reads on.
        self.assertEqual(opened.read(), box.path(f"{STORE}/exports/0001/faq-q8_0.gguf").read_bytes())
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=box.path("served"), check=True)
        back = self.deploy("--rollback", snapshot=STORE)
        self.assertLess(back["seconds"], 10)
        self.assertEqual(os.readlink(link), "faq-0001-q8_0.gguf")

    def test_gc_leaves_what_is_deployed(self):
        self.deploy("--kind", "folder", "--set", "path=kept-served")
        box.must("snapshots", "gc", STORE, "--keep", "1", "--weeks", "0")
        self.assertTrue(box.path(f"{STORE}/exports/0001/faq-q8_0.gguf").exists())
        shown = json.loads(box.must("snapshots", "show", f"{STORE}#1", "--json").stdout)
        self.assertIn(("deploy", "office"), [(move["action"], move.get("target")) for move in shown["moves"]])

    def test_a_disk_that_is_full_keeps_the_old_model(self):
        # On another file system nothing can be linked, so the file is copied.
        if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == box.root.stat().st_dev:
            self.skipTest("/dev/shm is not a file system of its own")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as served:
            self.deploy("--kind", "folder", "--set", f"path={served}")
            def small():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            self.deploy(snapshot=f"{STORE}#2", expect=74, preexec=small)
            self.assertEqual(os.readlink(served + "/current.gguf"), "faq-0001-q8_0.gguf")
            self.assertEqual(sorted(os.listdir(served)), ["SHA256SUMS", "current.gguf", "faq-0001-q8_0.gguf"])
            self.deploy(snapshot=f"{STORE}#2")
            self.assertEqual(os.readlink(served + "/current.gguf"), "faq-0002-q8_0.gguf")

    def test_a_damaged_export_is_made_again(self):
        file = box.path(f"{STORE}/exports/0001/faq-q8_0.gguf")
        data = file.read_bytes()
        for damage in (data[: len(data) // 2], data[:-1] + bytes([data[-1] ^ 1])):
            file.unlink()
            file.write_bytes(damage)
            self.deploy("--kind", "folder", "--set", "path=served")
            self.assertEqual(box.path("served/current.gguf").read_bytes(), data)

    def test_an_export_that_is_missing_is_made(self):
        shutil.rmtree(box.path(STORE + "/exports"))
        made = self.deploy("--kind", "lmstudio", "--set", "path=studio", "--set", "model=acme/faq", "--set", "encoding=f16")
        self.assertEqual(made["name"], "faq-0001-f16.gguf")
        self.assertTrue(box.path("studio/acme/faq/faq-0001-f16.gguf").exists())

    def test_mistakes_of_the_command_line(self):
        for words, code, expect in ((["--kind", "folder"], "R006", 78), ([], "V004", 66),
                                    (["--kind", "folder", "--set", "path=x", "--rollback", "--verify"], "U006", 64),
                                    (["--kind", "ollama", "--set", "url=http://10.0.0.1:1"], "V006", 78)):
            self.assertIn(f"error[{code}]", self.deploy(*words, expect=expect))
        self.assertIn("error[U003]", self.deploy(snapshot=STORE, expect=64))
        self.assertIn("error[V007]", self.deploy("--verify", "--kind", "folder", "--set", "path=x", snapshot=STORE, expect=66))
        self.assertFalse(box.path("x").exists())
        text = self.deploy("--kind", "folder", "--set", "path=x", "--dry-run")
        self.assertEqual((text["dry_run"], text["changed"], text["from"]), (True, True, None))
        self.assertFalse(box.path("x").exists() or box.path(STORE + "/deploy").exists())


if __name__ == "__main__":
    with box:
        make_store()
        unittest.main(verbosity=1)
