"""A store with two snapshots and their exports, for the tests of `slmtune deploy` (deploy_test.py runs them all on it)."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

from sandbox import PROGRAM, SOURCE, Sandbox

FULL = os.environ.get("SLMTUNE_COUNTS") == "full"
KILLS = 50 if FULL else 3
STORE = "runs/faq"
PATIENCE = 60
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
box = Sandbox()


def ask(url, body=None, token=""):
    headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token else {})}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with NO_PROXY.open(request, timeout=10) as answer:
        return json.load(answer)


def served_by(url):
    """The model that a llama-server names, or None when nobody answers."""
    try:
        return ask(url + "/v1/models")["data"][0]["id"]
    except (OSError, ValueError):
        return None


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {PATIENCE} s")
        time.sleep(0.01)


class Case(unittest.TestCase):
    """A copy of the store with two snapshots and their exports."""

    def setUp(self):
        shutil.rmtree(box.path(STORE), ignore_errors=True)
        shutil.copytree(box.path("kept"), box.path(STORE), symlinks=True)
        self.addCleanup(self.stop_servers)

    def stop_servers(self):
        for file in box.path(STORE + "/deploy").glob("*.json"):
            state = json.loads(file.read_text())
            for one in [state["current"], state["pending"], state["leaving"]]:
                if one and one.get("pid"):
                    command = pathlib.Path(f"/proc/{one['pid']}/cmdline")
                    if command.exists() and b"llama" in command.read_bytes():
                        os.kill(one["pid"], signal.SIGKILL)

    def deploy(self, *words, snapshot=f"{STORE}#1", target="office", expect=0, environment=None, preexec=None):
        result = subprocess.run([PROGRAM, "deploy", snapshot, "--target", target, "--json", *words], cwd=box.root,
                                env=box.environment(environment), text=True, capture_output=True, timeout=120, preexec_fn=preexec)
        self.assertEqual(result.returncode, expect, result.stdout + result.stderr)
        return json.loads(result.stdout) if expect == 0 else result.stderr

    def state(self, target="office"):
        return json.loads(box.path(f"{STORE}/deploy/{target}.json").read_text())

    def moves(self):
        lines = [json.loads(line) for line in box.path(STORE + "/journal.jsonl").read_text().splitlines()]
        return [(line["action"], line["number"], line["from"]) for line in lines if "target" in line]


def make_store():
    box.make_model()
    box.must("train", "faq.yaml", "-q", "--resume", "never", "--set", "train.learning_rate=0.002")
    for number, encoding in ((1, "q8_0"), (1, "f16"), (2, "q8_0")):
        box.must("export", f"{STORE}#{number}", "--encoding", encoding, "--to", f"{STORE}/exports/000{number}/faq-{encoding}.gguf")
    box.path(STORE).rename(box.path("kept"))
    tool = box.write("bin/llama-server", f'#!/bin/sh\nexec "{sys.executable}" "{SOURCE}/tests/cli/llama_server.py" "$@"\n')
    tool.chmod(0o700)
    os.environ["PATH"] = f"{tool.parent}:{os.environ['PATH']}"
