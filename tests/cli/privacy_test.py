"""What stays in the building: no command but pull, and deploy to a server, opens a network socket, files are for their owner
alone, and the texts of the users' rows stand in no log, report, message or snapshot.
"""
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import unittest

from sandbox import PROGRAM, Sandbox, chat_row

SECRET = "Zqxwerd Fnordheim"
TRACED = "socket,connect,sendto,sendmsg,bind"
MALFORMED = {
    "not-json": '{"messages": [{"role": "user", "content": "%s"',
    "shape": '{"strange": "%s"}',
    "number": '{"prompt": 7, "completion": "%s"}',
    "role": '{"messages": [{"role": "%s", "content": "x"}]}',
    "untrained": '{"messages": [{"role": "user", "content": "%s"}]}',
    "long": '{"prompt": "x", "completion": "' + "%s " * 200 + '"}',
    "control": '{"prompt": "%s\x01", "completion": "y"}',
}


def can_trace():
    tool = shutil.which("strace")
    return bool(tool) and subprocess.run([tool, "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


class Commands:
    """Every command that touches the users' data, in an order in which each finds what it needs."""
    ALL = [("train", "faq.yaml"), ("eval", "runs/faq#latest", "--data", "valid.jsonl", "--json"),
           ("eval", "faq.yaml"), ("generate", "runs/faq#latest", "--prompt", "hello", "--greedy", "--max-tokens", "4"),
           ("merge", "runs/faq#latest", "--to", "merged"),
           ("export", "merged", "--format", "gguf", "--encoding", "q8_0", "--to", "out.gguf"),
           ("inspect", "out.gguf"), ("snapshots", "list", "runs/faq"), ("snapshots", "show", "runs/faq#latest"),
           ("snapshots", "verify", "--store", "runs/faq"), ("snapshots", "promote", "runs/faq#latest"),
           ("snapshots", "gc", "--store", "runs/faq", "--dry-run"), ("data", "preview", "faq.yaml"),
           ("train", "faq.yaml", "--dry-run"),
           ("deploy", "runs/faq#latest", "--target", "shelf", "--kind", "folder", "--set", "path=shelf")]


class Network(unittest.TestCase):
    @unittest.skipUnless(can_trace(), "strace cannot trace here")
    def test_no_command_opens_a_network_socket(self):
        for words in Commands.ALL:
            with self.subTest(command=words[0]):
                trace = box.path("trace.txt")
                result = subprocess.run(["strace", "-f", "-qq", "-e", "trace=" + TRACED, "-o", trace, PROGRAM, *words],
                                        cwd=box.root, env=box.environment(), capture_output=True, text=True, timeout=300)
                self.assertEqual(result.returncode, 0, result.stderr)
                network = [line for line in trace.read_text().splitlines() if "AF_INET" in line or "AF_NETLINK" in line]
                self.assertEqual(network, [])

    @unittest.skipUnless(can_trace(), "strace cannot trace here")
    def test_the_trace_would_show_a_socket(self):
        trace = box.path("trace.txt")
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=" + TRACED, "-o", trace, sys.executable, "-c",
                        "import socket; socket.socket(socket.AF_INET6)"], check=True, timeout=60)
        self.assertIn("AF_INET6", trace.read_text())

    def test_the_engine_has_no_function_of_the_network(self):
        engine = pathlib.Path(PROGRAM).parent / "libslmtune_engine.so"
        symbols = subprocess.run(["nm", "-D", "--undefined-only", engine], check=True, capture_output=True, text=True).stdout
        self.assertIn("fsync", symbols)
        self.assertEqual(re.findall(r"\b(?:socket|connect|getaddrinfo|sendto|curl_\w+|SSL_\w+)(?:@\S+)?$", symbols, re.M), [])


class Files(unittest.TestCase):
    def test_files_and_folders_are_for_their_owner_alone(self):
        before = os.umask(0)
        try:
            box.must("train", "faq.yaml", "--set", "store=made/here", "--set", "export=[{format: gguf, encoding: f16}]", "-q")
            box.must("merge", "made/here#1", "--to", "made/merged")
        finally:
            os.umask(before)
        made = [box.path("made"), *box.path("made").rglob("*")]
        self.assertGreater(len(made), 25)
        open_to_others = [str(path) for path in made if not path.is_symlink() and path.stat().st_mode & 0o077]
        self.assertEqual(open_to_others, [])

    def test_a_crash_leaves_no_picture_of_the_memory(self):
        process = box.start("chat", "model")
        try:
            limits = pathlib.Path(f"/proc/{process.pid}/limits")
            process.stderr.read(1)  # the program is at work
            core = next(line for line in limits.read_text().splitlines() if line.startswith("Max core file size"))
            self.assertEqual(core.split()[4:6], ["0", "0"])
        finally:
            process.kill()
            process.communicate()


class Texts(unittest.TestCase):
    def secret_rows(self, count, start=0):
        return "\n".join(chat_row(f"{SECRET} asks {i}?", f"{SECRET} answers {i}.") for i in range(start, start + count)) + "\n"

    def assert_clean(self, text, where):
        for word in SECRET.split():
            self.assertNotIn(word.lower(), text.lower(), f"in {where}")

    def test_no_output_and_no_file_holds_the_text_of_a_row(self):
        box.write("secret.jsonl", self.secret_rows(12))
        box.write("secret_valid.jsonl", self.secret_rows(3, 20))
        rows = ["--set", "data.train=[{path: secret.jsonl}]", "--set", "data.valid.path=secret_valid.jsonl",
                "--set", "eval.metrics=[loss, exact_match, f1]", "--set", "store=runs/secret", "--set",
                "export=[{format: gguf, encoding: q8_0}]"]
        for words in (["train", "faq.yaml", *rows], ["train", "faq.yaml", *rows, "-v"], ["train", "faq.yaml", *rows, "--json"],
                      ["eval", "runs/secret#1", "--data", "secret_valid.jsonl"],
                      ["eval", "runs/secret#1", "--data", "secret_valid.jsonl", "--json"],
                      ["snapshots", "list", "runs/secret", "--json"], ["snapshots", "show", "runs/secret#1", "--json"]):
            result = box.must(*words)
            self.assert_clean(result.stdout + result.stderr, " ".join(words))
        for path in files_below(box.path("runs/secret")):
            self.assert_clean(path.read_bytes().decode("latin-1"), path)

    def test_no_message_about_a_bad_row_holds_its_text(self):
        for name, form in MALFORMED.items():
            with self.subTest(row=name):
                box.write("bad.jsonl", self.secret_rows(2) + form.replace("%s", SECRET) + "\n")
                result = box.run("train", "faq.yaml", "--set", "data.train=[{path: bad.jsonl}]", "--set", "store=runs/bad", "-v")
                self.assertEqual(result.returncode, 65, result.stderr)
                self.assertIn("bad.jsonl:3", result.stderr)
                self.assert_clean(result.stdout + result.stderr, name)

    def test_no_message_about_a_prompt_holds_its_text(self):
        result = box.run("generate", "model", "--prompt", (SECRET + " ") * 300, "--max-tokens", "4")
        self.assertEqual(result.returncode, 65, result.stderr)
        self.assert_clean(result.stderr, "generate")


if __name__ == "__main__":
    with Sandbox() as box:
        box.make_model()
        unittest.main()
