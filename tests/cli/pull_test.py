"""`slmtune pull` against a hub of the test's own (hub_server.py): what is fetched, what is verified, what is resumed, what the
token is sent to, and what is said when something is wrong."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from hub_server import (Corrupt, Cut, HubServer, Longer, Redirect, Shorter, Slow, Status, Together, WholeFile, WrongRange)
from terminal import read_to_end

PROGRAM = os.environ["SLMTUNE"]
NOISE = random.Random(7).randbytes(700_000)
TINY = {"config.json": b'{"architectures": []}\n', "tokenizer.json": NOISE[:5000], "model.safetensors": NOISE}
NEEDED = {**TINY, "generation_config.json": b"{}", "special_tokens_map.json": b"", "tokenizer.model": NOISE[:900],
          "tokenizer_config.json": b"{} ", "chat_template.jinja": b"{{ x }}", "tekken.json": b"[]"}
UNNEEDED = {"README.md": b"# hi", ".gitattributes": b"*", "pytorch_model.bin": b"x", "consolidated.safetensors": NOISE,
            "original/params.json": b"{}", "onnx/model.onnx": b"x", "model-q4.gguf": b"GGUF", "LICENSE": b"free"}
SHARDS = {"config.json": b"{}", "model.safetensors.index.json": b'{"weight_map": {}}',
          **{f"model-0000{n}-of-00003.safetensors": NOISE[n:n + 90_000] for n in (1, 2, 3)}}


class Pull(unittest.TestCase):
    def setUp(self):
        # Connections are taken in order: behind this answer no request of a pull that was killed before waits for its turn.
        with contextlib.suppress(OSError):
            urllib.request.urlopen(hub.url + "/nothing", timeout=30).close()
        hub.reset()
        hub.models.clear()
        hub.add("org/tiny", TINY)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="slmtune-pull-")).resolve()
        self.addCleanup(shutil.rmtree, self.root, True)

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("HF_", "SSL_CERT")) and "proxy" not in name.lower() and name != "CURL_CA_BUNDLE"}
        return {**kept, "HOME": str(self.root), "XDG_CACHE_HOME": str(self.root / "cache"), "HF_ENDPOINT": hub.url, **more}

    def run_pull(self, *words, expect=0, **environment):
        result = subprocess.run([PROGRAM, "pull", *words], cwd=self.root, env=self.environment(**environment), text=True,
                                capture_output=True, timeout=60)
        self.assertEqual(result.returncode, expect, result.stderr)
        self.assertNotIn("hf_good", result.stdout + result.stderr)
        self.assertNotIn("signature", result.stdout + result.stderr)
        return result

    def refused(self, code, exit_code, *words, **environment):
        result = self.run_pull(*(words or ("org/tiny",)), expect=exit_code, **environment)
        self.assertIn(f"error[{code}]", result.stderr)
        self.assertEqual(result.stdout, "")
        return result.stderr

    def folder(self, name="models/tiny"):
        return {path.name: path.read_bytes() for path in (self.root / name).iterdir() if path.is_file()}

    def assert_folder(self, files, name="models/tiny"):
        content = self.folder(name)
        content.pop("pull_manifest.json")
        self.assertEqual(content, files)
        self.assertFalse((self.root / name / ".pull").exists())

    def file_requests(self, role="hub"):
        return [path for path, _, who in hub.requests if "/api/" not in path and who == role]

    # What is fetched.

    def test_only_what_a_model_needs_is_fetched(self):
        hub.add("org/tiny", {**NEEDED, **UNNEEDED})
        result = self.run_pull("org/tiny")
        self.assertEqual(result.stdout, "models/tiny\n")
        self.assert_folder(NEEDED)
        for name in UNNEEDED:
            self.assertEqual(hub.asked_for("/" + name), [], name)
        self.assertIn("model.safetensors  683.6 KiB  fetched\n", result.stderr)
        self.assertNotIn("\x1b", result.stderr)

    def test_shards_come_with_their_index(self):
        hub.add("org/tiny", SHARDS)
        self.run_pull("org/tiny@refs/pr/1", "--to", "here/there")
        self.assert_folder(SHARDS, "here/there")

    def test_json_tells_folder_commit_files_and_bytes(self):
        result = self.run_pull("org/tiny", "--json", "-q")
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        self.assertEqual((report["folder"], report["repository"], report["revision"], report["commit"]),
                         ("models/tiny", "org/tiny", "main", hub.models["org/tiny"].commit))
        self.assertEqual({entry["name"]: entry["bytes"] for entry in report["files"]},
                         {name: len(content) for name, content in TINY.items()})
        self.assertEqual(report["bytes"], sum(map(len, TINY.values())))
        self.assertEqual(report["fetched_bytes"], report["bytes"])
        manifest = json.loads(self.folder()["pull_manifest.json"])
        self.assertEqual(manifest["commit"], report["commit"])
        self.assertEqual([entry["hash"] for entry in manifest["files"]], [entry["hash"] for entry in report["files"]])

    def test_a_second_pull_fetches_nothing(self):
        self.run_pull("org/tiny")
        before = {path: path.stat().st_mtime_ns for path in (self.root / "models/tiny").iterdir() if path.name in TINY}
        hub.reset()
        report = json.loads(self.run_pull("org/tiny", "--json").stdout)
        self.assertEqual(self.file_requests(), [])
        self.assertEqual({entry["from"] for entry in report["files"]}, {"kept"})
        self.assertEqual(report["fetched_bytes"], 0)
        self.assertEqual({path: path.stat().st_mtime_ns for path in before}, before)

    def test_files_that_are_there_already_are_verified_and_kept(self):
        (self.root / "models/tiny").mkdir(parents=True)
        (self.root / "models/tiny/model.safetensors").write_bytes(NOISE)
        (self.root / "models/tiny/notes.txt").write_bytes(b"mine")
        self.run_pull("org/tiny")
        self.assertEqual(self.file_requests("storage"), [])
        self.assert_folder({**TINY, "notes.txt": b"mine"})

    def test_a_new_revision_replaces_the_files_of_the_old_one(self):
        hub.add("org/tiny", SHARDS)
        self.run_pull("org/tiny")
        hub.add("org/tiny", {**TINY, "config.json": b'{"new": 1}'})
        self.run_pull("org/tiny")
        self.assert_folder({**TINY, "config.json": b'{"new": 1}'})

    def test_a_file_that_somebody_edited_is_never_replaced(self):
        self.run_pull("org/tiny")
        (self.root / "models/tiny/config.json").write_text('{"mine": 1}')
        said = self.refused("W004", 73)
        self.assertIn("config.json: error[W004]: cannot create: a file that pull has not made is here", said)
        self.assertEqual(self.folder()["config.json"], b'{"mine": 1}')

    def test_a_folder_of_another_model_is_left_alone(self):
        self.run_pull("org/tiny")
        hub.add("org/other", SHARDS)
        self.assertIn("this folder holds 'org/tiny'", self.refused("W004", 73, "org/other", "--to", "models/tiny"))
        self.assert_folder(TINY)

    def test_several_files_come_at_once(self):
        hub.add("org/tiny", SHARDS)
        for jobs, fault in (("3", Together(3)), ("1", Slow(0.02))):
            hub.reset()
            hub.faults = {name: [fault] for name in SHARDS if name.endswith(".safetensors")}
            self.run_pull("org/tiny", "--to", "jobs" + jobs, "--jobs", jobs)
            self.assertEqual(hub.most_at_once, int(jobs))

    def test_mirrors_that_list_names_only_are_asked_for_the_tree(self):
        hub.lists_names_only = True
        self.run_pull("org/tiny")
        self.assert_folder(TINY)
        self.assertEqual(len(hub.asked_for("/tree/")), 1)

    def test_without_checksums_nothing_is_fetched(self):
        hub.lists_names_only = hub.lists_no_hashes = True
        self.assertIn("names no checksum", self.refused("H007", 69))
        self.assertEqual(self.file_requests(), [])

    # What breaks on the way.

    def test_a_cut_connection_is_resumed_where_it_broke(self):
        hub.faults["model.safetensors"] = [Cut(200_000), Cut(150_000)]
        self.run_pull("org/tiny")
        self.assert_folder(TINY)
        starts = [int(headers["Range"][6:-1]) for _, headers in hub.asked_for("/storage/") if "Range" in headers]
        self.assertEqual(len(starts), 2)
        self.assertEqual(starts, sorted(starts))
        self.assertTrue(0 < starts[0] <= 200_000, starts)

    def test_a_killed_pull_goes_on_where_it_was(self):
        hub.faults["model.safetensors"] = [Slow(30, after=300_000)]
        program = self.start_and_wait_for_part(250_000)
        program.kill()
        program.communicate()
        self.assertEqual([name for name in self.folder() if name in TINY], [])
        hub.reset()
        self.run_pull("org/tiny")
        self.assert_folder(TINY)
        (_, headers), = hub.asked_for("/storage/")
        self.assertGreaterEqual(int(headers["Range"][6:-1]), 250_000)
        self.assertEqual(hub.asked_for("/resolve/", "hub")[0][0].rsplit("/", 1)[1], "model.safetensors")

    def test_a_stopped_pull_dies_by_the_signal_and_can_be_resumed(self):
        for stop in (signal.SIGINT, signal.SIGTERM):
            shutil.rmtree(self.root / "models", True)
            hub.reset()
            hub.faults["model.safetensors"] = [Slow(30, after=300_000)]
            program = self.start_and_wait_for_part(250_000)
            program.send_signal(stop)
            output, messages = program.communicate(timeout=10)
            self.assertEqual((program.returncode, output), (-stop, ""), messages)
            self.assertIn("stopped; what was fetched is kept in models/tiny/.pull", messages)
            self.assertEqual(list(self.folder()), [])
            self.run_pull("org/tiny")
            self.assert_folder(TINY)

    def test_a_pull_that_waits_for_the_hub_can_be_stopped(self):
        for fault in (Slow(30), Status(503, (("Retry-After", "60"),))):
            hub.reset()
            hub.faults["api"] = [fault]
            program = self.start()
            while not hub.requests:
                time.sleep(0.01)
            time.sleep(0.1)
            program.send_signal(signal.SIGINT)
            _, messages = program.communicate(timeout=10)
            self.assertEqual(program.returncode, -signal.SIGINT, messages)
            self.assertNotIn("error", messages)

    def start(self):
        return subprocess.Popen([PROGRAM, "pull", "org/tiny"], cwd=self.root, env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def sizes_of_gathered(self):
        sizes = {}
        for path in (self.root / "models/tiny/.pull").glob("*"):
            try:
                sizes[path.name] = path.stat().st_size
            except FileNotFoundError:  # renamed in between
                pass
        return sizes

    def start_and_wait_for_part(self, size):
        program = self.start()
        small_ones = len(TINY) - 1
        for _ in range(6000):
            names = self.sizes_of_gathered()
            done = [name for name in names if not name.endswith(".part") and name != "lock"]
            if any(name.endswith(".part") and bytes >= size for name, bytes in names.items()) and len(done) == small_ones:
                return program
            time.sleep(0.01)
        program.kill()
        return self.fail("nothing was fetched")

    def test_a_changed_file_is_not_glued_to_an_old_part(self):
        hub.faults["model.safetensors"] = [Slow(30, after=300_000)]
        program = self.start_and_wait_for_part(250_000)
        program.kill()
        program.communicate()
        hub.reset()
        hub.add("org/tiny", {**TINY, "model.safetensors": NOISE[::-1]})
        self.run_pull("org/tiny")
        self.assert_folder({**TINY, "model.safetensors": NOISE[::-1]})
        self.assertNotIn("Range", hub.asked_for("/storage/")[0][1])

    def test_a_damaged_part_is_fetched_anew(self):
        hub.faults["model.safetensors"] = [Status(404)]
        self.refused("H003", 66)
        part, = (self.root / "models/tiny/.pull").glob("model*.part")
        for content in (b"x" * 300_000, b"x" * len(NOISE), b"x" * (len(NOISE) + 5)):
            part.write_bytes(content)
            hub.reset()
            self.run_pull("org/tiny", "--to", "models/tiny")
            self.assert_folder(TINY)
            shutil.rmtree(self.root / "models/tiny")
            part.parent.mkdir(parents=True)

    def test_servers_that_know_no_ranges_or_wrong_ones_are_coped_with(self):
        for fault in (WholeFile(), WrongRange(), Status(416)):
            shutil.rmtree(self.root / "models", True)
            hub.reset()
            hub.faults["model.safetensors"] = [Cut(200_000), fault]
            self.run_pull("org/tiny")
            self.assert_folder(TINY)

    def test_a_busy_hub_is_asked_again(self):
        hub.faults["api"] = [Status(503), Status(429, (("Retry-After", "1"),))]
        hub.faults["config.json"] = [Status(500)]
        hub.faults["model.safetensors"] = [Status(504), Status(502)]
        said = self.run_pull("org/tiny", "-v").stderr
        self.assertIn("the hub's list of files: HTTP 503; trying again in 0.25 s", said)
        self.assertIn("the hub's list of files: HTTP 429; trying again in 1 s", said)
        self.assertIn("config.json: HTTP 500; trying again in 0.25 s", said)
        self.assert_folder(TINY)

    def test_a_hub_that_stays_busy_is_given_up(self):
        hub.faults["api"] = [Status(503)] * 2
        self.assertIn("HTTP 503", self.refused("H008", 69, "org/tiny", "--retries", "1"))
        hub.faults["model.safetensors"] = [Status(429)]
        self.assertIn("HTTP 429", self.refused("H008", 69, "org/tiny", "--retries", "0"))

    def test_a_stalled_connection_is_given_up_and_resumed(self):
        hub.faults["model.safetensors"] = [Slow(20, after=200_000)]
        self.run_pull("org/tiny", "--timeout", "1")
        self.assert_folder(TINY)

    def test_an_answer_that_ends_early_is_completed_or_refused(self):
        hub.faults["model.safetensors"] = [Shorter(1000)]
        self.run_pull("org/tiny")
        self.assert_folder(TINY)
        shutil.rmtree(self.root / "models")
        hub.faults["model.safetensors"] = [Shorter(1000)]
        self.assertIn("sends 699000 of the 700000 bytes", self.refused("H007", 69, "org/tiny", "--retries", "0"))

    def test_corrupt_bytes_are_fetched_once_more_and_never_published(self):
        hub.faults["model.safetensors"] = [Corrupt(5000)]
        self.run_pull("org/tiny")
        self.assert_folder(TINY)
        for name, faults in (("model.safetensors", [Corrupt(5000)] * 2), ("config.json", [Corrupt(3)] * 2),
                             ("model.safetensors", [Longer()] * 2)):
            shutil.rmtree(self.root / "models")
            hub.faults[name] = faults
            self.assertIn("/resolve/", self.refused("H006", 65))
            self.assertEqual(list(self.folder()), [])

    def test_a_full_disk_is_told_before_anything_is_fetched(self):
        def huge(body):
            for entry in body["siblings"]:
                if "lfs" in entry:
                    entry["size"] = entry["lfs"]["size"] = 1 << 42
            return body
        hub.change_listing = huge
        self.assertIn("the model needs 4.0 TiB and ", self.refused("W002", 74))
        self.assertEqual(self.file_requests(), [])

    def test_a_failing_write_is_an_error_and_keeps_the_part(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        result = subprocess.run([PROGRAM, "pull", "org/tiny"], cwd=self.root, env=self.environment(), text=True,
                                capture_output=True, preexec_fn=limit, timeout=60)
        self.assertEqual(result.returncode, 74, result.stderr)
        self.assertIn("error[W001]: cannot write", result.stderr)
        self.run_pull("org/tiny")
        self.assert_folder(TINY)

    # Who may read, and what the token is sent to.

    def test_the_token_goes_to_the_hub_alone(self):
        hub.add("org/tiny", TINY, gated="manual")
        self.run_pull("org/tiny", HF_TOKEN="hf_good")
        self.assert_folder(TINY)
        for path, headers, role in hub.requests:
            self.assertEqual(headers.get("Authorization"), "Bearer hf_good" if role == "hub" else None, path)
        self.assertTrue(self.file_requests("storage"))
        self.assertNotIn(b"hf_good", self.folder()["pull_manifest.json"])

    def test_the_token_may_lie_in_its_file(self):
        hub.add("org/tiny", TINY, gated="auto")
        for number, (place, variable) in enumerate((("cache/huggingface/token", {}), ("hf/token", {"HF_HOME": "hf"}),
                                                    ("secret", {"HF_TOKEN_PATH": "secret"}))):
            path = self.root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("hf_good\n")
            self.run_pull("org/tiny", "--to", str(number), **{name: str(self.root / value) for name, value in variable.items()})
            path.unlink()

    def test_a_gated_model_says_where_to_accept_its_licence(self):
        hub.add("org/tiny", TINY, gated="manual")
        said = self.refused("H002", 77)
        self.assertIn(f"accept the licence at {hub.url}/org/tiny, then put a token with read access into HF_TOKEN", said)
        hub.gates_everybody = True
        self.assertIn("the token's owner has no access", self.refused("H002", 77, HF_TOKEN="hf_good"))
        self.assertIn("refuses the token (HTTP 401)", self.refused("H002", 77, HF_TOKEN="hf_stale"))

    def test_what_does_not_exist_is_told_apart(self):
        self.assertIn("no model 'org/none'", self.refused("H003", 66, "org/none"))
        self.assertIn("no model 'org/none'", self.refused("H003", 66, "org/none", HF_TOKEN="hf_good"))
        self.assertIn("'org/tiny' has no branch, tag or commit 'v9'", self.refused("H004", 66, "org/tiny@v9"))
        hub.lost_files = {"config.json"}
        self.assertIn("lists this file but does not have it", self.refused("H007", 69))

    def test_a_repository_without_safetensors_is_refused(self):
        hub.add("org/tiny", {"config.json": b"{}", "pytorch_model.bin": b"x"})
        self.assertIn("only there as pickles", self.refused("H005", 65))
        self.assertFalse((self.root / "models").exists())

    # Servers that are no hub, or a hostile one.

    def test_names_that_lead_out_of_the_folder_are_refused(self):
        def climb(body):
            body["siblings"].append({**body["siblings"][0], "rfilename": "../evil.safetensors"})
            return body
        hub.change_listing = climb
        self.assertIn("could leave the folder: '../evil.safetensors'", self.refused("H007", 69))
        self.assertEqual(list(self.root.iterdir()), [])

    def test_a_login_page_is_no_answer(self):
        hub.answer_all = (200, b"<html>Log in</html>")
        self.assertIn("not JSON", self.refused("H007", 69))
        hub.answer_all = (200, b'{"a": "' + b"x" * (17 << 20) + b'"}')
        self.assertIn("longer than a list of files can be", self.refused("H007", 69))

    def test_redirects_end_and_stay_on_http(self):
        hub.faults["api"] = [Redirect("/api/models/org/tiny/revision/main")] * 20
        self.assertIn("redirects without end", self.refused("H007", 69))
        hub.faults["api"] = []
        hub.faults["config.json"] = [Redirect("file:///etc/passwd")]
        self.assertIn("redirects to another protocol", self.refused("H007", 69))

    def test_links_in_the_folder_are_not_followed(self):
        precious = self.root / "precious"
        precious.mkdir()
        (precious / "file").write_text("keep")
        (self.root / "models/tiny").mkdir(parents=True)
        (self.root / "models/tiny/.pull").symlink_to(precious)
        self.assertIn(".pull: error[W004]", self.refused("W004", 73))
        (self.root / "models/tiny/.pull").unlink()
        (self.root / "models/tiny/config.json").symlink_to(precious / "file")
        self.refused("W004", 73)
        self.assertEqual((precious / "file").read_text(), "keep")

    def test_two_pulls_into_one_folder_exclude_each_other(self):
        lock = self.root / "models/tiny/.pull/lock"
        lock.parent.mkdir(parents=True)
        with open(lock, "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.refused("L001", 75)

    # The network around.

    def test_no_network_is_said_soon(self):
        self.assertIn("the hub was not reached", self.refused("H001", 69, HF_ENDPOINT="http://127.0.0.1:1"))
        self.assertIn("the hub was not reached", self.refused("H001", 69, "org/tiny", "--retries", "0",
                                                              HF_ENDPOINT="http://hub.invalid"))

    def test_a_proxy_is_used_and_left_out_as_the_environment_says(self):
        for name in ("http_proxy", "HTTP_PROXY"):
            hub.reset()
            self.run_pull("org/tiny", "--to", name, HF_ENDPOINT="http://hub.invalid", **{name: hub.url})
            self.assert_folder(TINY, name)
            self.assertTrue(hub.requests[0][0].startswith("http://hub.invalid/api/"))
        dead = "http://127.0.0.1:1"
        self.run_pull("org/tiny", "--to", "direct", http_proxy=dead, no_proxy="127.0.0.1,localhost")
        self.refused("H001", 69, "org/tiny", "--retries", "0", http_proxy=dead)

    def test_a_proxy_that_refuses_is_asked_once_and_gets_no_token(self):
        said = self.refused("H001", 69, HF_ENDPOINT="https://hub.invalid", HTTPS_PROXY=hub.url, HF_TOKEN="hf_good")
        self.assertIn("check the network and HTTPS_PROXY", said)
        (path, headers, _), = hub.requests
        self.assertEqual(path, "hub.invalid:443")
        self.assertNotIn("Authorization", headers)

    def test_usage_mistakes(self):
        self.assertIn("error[U004]: 'org/tiny/more' is no name on a hub", self.refused("U004", 64, "org/tiny/more"))
        self.assertIn("'../x' is no branch", self.refused("U004", 64, "org/tiny@../x"))
        self.refused("U004", 64, HF_ENDPOINT="hub")
        self.refused("U004", 64, HF_TOKEN="two words")
        for words in (["--jobs", "0"], ["--retries", "-1"], ["--timeout", "x"]):
            self.run_pull("org/tiny", *words, expect=64)
        self.run_pull(expect=64)

    def test_libcurl_is_opened_when_it_is_needed_only(self):
        (self.root / "lib").mkdir()
        library = self.root / "lib/libcurl.so.4"
        library.write_bytes(b"no library")
        place = str(self.root / "lib")
        self.assertIn("libcurl.so.4: error[H009]: cannot be loaded", self.refused("H009", 69, LD_LIBRARY_PATH=place))
        self.assertIn("Example:", self.run_pull("--help", LD_LIBRARY_PATH=place).stdout)
        other = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True).stdout
        self.assertNotIn("libcurl", other)
        found = [line.split("=> ")[1].split(" ")[0] for line in other.splitlines() if "libm.so" in line]
        if found:
            library.unlink()
            library.symlink_to(found[0])
            self.assertIn("has no curl_global_init", self.refused("H009", 69, LD_LIBRARY_PATH=place))

    def test_a_terminal_gets_a_bar(self):
        hub.faults["model.safetensors"] = [Slow(0.5, after=400_000)]
        main_end, program_end = pty.openpty()
        program = subprocess.Popen([PROGRAM, "pull", "org/tiny"], cwd=self.root, env=self.environment(),
                                   stdout=subprocess.DEVNULL, stderr=program_end)
        os.close(program_end)
        seen = read_to_end(main_end)
        self.assertEqual(program.wait(), 0)
        self.assertRegex(seen.decode(), r"\r\[=+>? *\] +\d+ %  [\d.]+ K?i?B of 688\.\d KiB")
        self.assertIn("3 files, 688.5 KiB; 688.5 KiB fetched", seen.decode())

    def test_https_needs_a_certificate_that_is_trusted(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl program to make a certificate with")
        key, certificate = self.root / "key.pem", self.root / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        with HubServer((certificate, key)) as secure:
            secure.add("org/tiny", TINY)
            self.assertIn("SSL_CERT_FILE", self.refused("H001", 69, HF_ENDPOINT=secure.url))
            self.run_pull("org/tiny", HF_ENDPOINT=secure.url, SSL_CERT_FILE=str(certificate))
            self.assert_folder(TINY)
            secure.faults["api"] = [Redirect(hub.url + "/api/models/org/tiny/revision/main?blobs=true")]
            self.assertIn("redirects to another protocol",
                          self.refused("H007", 69, HF_ENDPOINT=secure.url, SSL_CERT_FILE=str(certificate)))
            self.assertEqual(hub.requests, [])

    # The cache of huggingface_hub, made by huggingface_hub itself.

    def fill_cache(self):
        client = ("import sys, huggingface_hub as h\n"
                  "h.snapshot_download('org/tiny', cache_dir=sys.argv[1], endpoint=sys.argv[2], max_workers=1)\n")
        done = subprocess.run([sys.executable, "-c", client, self.root / "hub", hub.url], capture_output=True, text=True,
                              env=self.environment(HF_HUB_DISABLE_XET="1", HF_HOME=str(self.root / "hf")), timeout=60)
        if "No module named 'huggingface_hub'" in done.stderr:
            self.skipTest("huggingface_hub is not installed")
        self.assertEqual(done.returncode, 0, done.stderr)
        hub.reset()
        return {"HF_HUB_CACHE": str(self.root / "hub")}

    def test_the_cache_of_huggingface_hub_is_used(self):
        hub.add("org/tiny", NEEDED)
        cache = self.fill_cache()
        report = json.loads(self.run_pull("org/tiny", "--json", **cache).stdout)
        self.assert_folder(NEEDED)
        self.assertEqual(self.file_requests(), [])
        self.assertEqual({entry["from"] for entry in report["files"]}, {"cache"})
        self.assertEqual((self.root / "models/tiny/model.safetensors").stat().st_nlink, 2)
        self.assertEqual((self.root / "models/tiny/config.json").stat().st_nlink, 1)
        # Without the hub: asked not to use it, or out of reach.
        self.run_pull("org/tiny", "--to", "offline", HF_HUB_OFFLINE="1", **cache)
        self.assert_folder(NEEDED, "offline")
        result = self.run_pull("org/tiny", "--to", "alone", "--retries", "0", HF_ENDPOINT="http://127.0.0.1:1", **cache)
        self.assertIn("warning: the hub was not reached; taking the revision that the cache in", result.stderr)
        self.assert_folder(NEEDED, "alone")
        self.assertIn("no copy of this model", self.refused("H001", 69, "org/none", HF_HUB_OFFLINE="1", **cache))
        # A damaged copy is not trusted.
        blob = (self.root / "hub/models--org--tiny/snapshots" / report["commit"] / "model.safetensors").resolve()
        blob.unlink()
        blob.write_bytes(NOISE[:-1] + b"?")
        said = self.run_pull("org/tiny", "--to", "again", **cache).stderr
        self.assertIn("is damaged", said)
        self.assert_folder(NEEDED, "again")
        self.assertEqual(len(self.file_requests("storage")), 1)
        self.refused("H006", 65, "org/tiny", "--to", "never", HF_HUB_OFFLINE="1", **cache)


if __name__ == "__main__":
    with HubServer() as hub:
        unittest.main()
