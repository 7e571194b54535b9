"""A Hugging Face hub of the test's own: the HTTP interface that `slmtune pull` speaks, over models kept in memory, with
every fault a network has, on request.

    with HubServer() as hub:
        hub.add("org/tiny", {"config.json": b"{}", "model.safetensors": weights})
        hub.faults["model.safetensors"] = [Cut(1000), Status(503)]     # used up one by one, in this order
        ... HF_ENDPOINT=hub.url ...
        hub.requests                                                    # what was asked, with headers

Weights are redirected to a second server under another host name, as the real hub redirects to its storage; small files
come straight from the hub. Both servers answer byte ranges.
"""
import hashlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass


@dataclass
class Status:
    """An error instead of the file."""
    code: int
    headers: tuple = ()


@dataclass
class Cut:
    """The connection breaks after this many bytes."""
    after: int


@dataclass
class Slow:
    """Pauses in front of the rest of the file, after some bytes of it."""
    seconds: float
    after: int = 0


@dataclass
class Together:
    """Pauses until so many answers pause at once."""
    count: int
    after: int = 100


@dataclass
class Corrupt:
    """One byte is another one."""
    at: int = 0


@dataclass
class WholeFile:
    """Ranges are ignored."""


@dataclass
class WrongRange:
    """A range that was not asked for."""


@dataclass
class Longer:
    """More bytes than the file has, without a Content-Length."""


@dataclass
class Shorter:
    """The file ends early although the answer looks complete."""
    by: int


@dataclass
class Redirect:
    """Elsewhere."""
    to: str


def git_blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(name):
    return name.endswith((".safetensors", ".bin")) or name == "tokenizer.model"


class Model:
    def __init__(self, files, gated=False):
        self.files, self.gated = files, gated
        names = "".join(f"{name}:{git_blob_id(content)}\n" for name, content in sorted(files.items()))
        self.commit = hashlib.sha1(names.encode()).hexdigest()

    def siblings(self):
        for name, content in self.files.items():
            entry = {"rfilename": name, "size": len(content), "blobId": git_blob_id(content)}
            if is_large(name):
                entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            yield entry

    def tree(self):
        for entry in self.siblings():
            lfs = entry.pop("lfs", None)
            yield {"type": "file", "path": entry["rfilename"], "size": entry["size"], "oid": entry["blobId"],
                   **({"lfs": {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": 130}} if lfs else {})}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_CONNECT(self):
        self.server.hub.requests.append((self.path, dict(self.headers), self.server.role))
        self.answer(407, b"", [("Proxy-Authenticate", "Basic")])

    def do_GET(self):
        hub = self.server.hub
        hub.requests.append((self.path, dict(self.headers), self.server.role))
        url = urllib.parse.urlsplit(self.path)  # a proxy is asked for the whole address
        path = urllib.parse.unquote(url.path)
        try:
            if hub.answer_all is not None:
                self.answer(*hub.answer_all)
            elif path.startswith("/storage/"):
                _, _, repository, name = path.split("/", 3)
                self.send_file(repository.replace("--", "/"), name)
            elif path.startswith("/api/models/"):
                self.send_api(path.removeprefix("/api/models/"), url.path.removeprefix("/api/models/"), url.query)
            else:
                repository, rest = path.lstrip("/").split("/resolve/")
                self.send_resolved(repository, rest)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def answer(self, code, body=b"", headers=()):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code, error):
        self.answer(code, b'{"error": "no"}', [("X-Error-Code", error), ("X-Error-Message", "no")])

    def may_read(self, repository):
        hub = self.server.hub
        model = hub.models.get(repository)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != hub.token:
            self.refuse(401, "")
        elif model is None:
            self.refuse(404 if token else 401, "RepoNotFound")
        else:
            return model
        return None

    def send_api(self, path, raw_path, query):
        hub = self.server.hub
        repository, kind, revision = (raw_path.split("/revision/") + [None])[0], "revision", None
        for kind in ("revision", "tree"):
            if f"/{kind}/" in raw_path:
                repository, revision = raw_path.split(f"/{kind}/")
                break
        model = self.may_read(repository)
        if model is None:
            return
        revision = urllib.parse.unquote(revision or "main")
        fault = hub.next_fault("api")
        if isinstance(fault, Status):
            return self.answer(fault.code, b"busy", fault.headers)
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        if isinstance(fault, Redirect):
            return self.answer(302, b"", [("Location", fault.to)])
        if revision not in ("main", "refs/pr/1", model.commit):
            return self.refuse(404, "RevisionNotFound")
        if kind == "tree":
            body = list(model.tree())
            if hub.lists_no_hashes:
                body = [{"type": "file", "path": entry["path"]} for entry in body]
        else:
            siblings = list(model.siblings())
            if hub.lists_names_only or "blobs=true" not in query:
                siblings = [{"rfilename": entry["rfilename"]} for entry in siblings]
            body = {"id": repository, "modelId": repository, "sha": model.commit, "private": False, "gated": model.gated,
                    "disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings}
        if hub.change_listing and kind == "revision":
            body = hub.change_listing(body)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer(200, text, [("Content-Type", "application/json")])

    def send_resolved(self, repository, rest):
        hub = self.server.hub
        model = self.may_read(repository)
        if model is None:
            return None
        revision, name = rest.split("/", 1)
        if model.gated and "Authorization" not in self.headers or hub.gates_everybody:
            return self.refuse(401 if "Authorization" not in self.headers else 403, "GatedRepo")
        if name not in model.files or name in hub.lost_files:
            return self.refuse(404, "EntryNotFound")
        content = model.files[name]
        facts = [("X-Repo-Commit", model.commit)]
        if not is_large(name):
            return self.send_file(repository, name, facts + [("ETag", f'"{git_blob_id(content)}"')])
        facts += [("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"'), ("X-Linked-Size", str(len(content)))]
        place = f"{hub.storage_url}/storage/{repository.replace('/', '--')}/{name}?signature=secret"
        return self.answer(302, b"", facts + [("Location", place)])

    def send_file(self, repository, name, facts=()):
        hub = self.server.hub
        content = hub.models[repository].files[name]
        fault = hub.next_fault(name) if self.command != "HEAD" else None
        if isinstance(fault, Status):
            return self.answer(fault.code, b"busy", fault.headers)
        if isinstance(fault, Redirect):
            return self.answer(302, b"", [("Location", fault.to)])
        start, code, headers = 0, 200, list(facts)
        asked = self.headers.get("Range")
        if asked and not isinstance(fault, WholeFile):
            start, code = int(asked.removeprefix("bytes=").rstrip("-").split("-")[0]), 206
            shown = start + 1 if isinstance(fault, WrongRange) else start
            headers.append(("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}"))
        return self.send_bytes(code, headers, content, start, fault)

    def send_bytes(self, code, headers, content, start, fault):
        if isinstance(fault, Corrupt):
            content = content[:fault.at] + bytes([content[fault.at] ^ 1]) + content[fault.at + 1:]
        if isinstance(fault, Longer):
            content += b"more"
        if isinstance(fault, Shorter):
            content = content[:-fault.by]
        body = content[start:]
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if isinstance(fault, (Longer, Shorter)):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        pause = getattr(fault, "after", len(body))
        self.wfile.write(body[:pause])
        self.wfile.flush()
        if isinstance(fault, Cut):
            self.close_connection = True
            self.connection.shutdown(2)
        elif isinstance(fault, (Slow, Together)):
            self.server.hub.pause(fault)
            self.wfile.write(body[pause:])
        elif isinstance(fault, (Longer, Shorter)):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


class HubServer:
    def __init__(self, certificate=None):
        self.models, self.certificate = {}, certificate
        self.reset()

    def reset(self):
        """Forgets faults and requests, but keeps the models."""
        self.faults, self.requests, self.token = {}, [], "hf_good"
        self.lists_names_only = self.lists_no_hashes = self.gates_everybody = False
        self.sending = self.most_at_once = 0
        self.lost_files, self.change_listing, self.answer_all = set(), None, None
        self.lock, self.arrived = threading.Lock(), threading.Condition()

    def __enter__(self):
        self.servers = []
        for role in ("hub", "storage"):
            server = Server(("127.0.0.1", 0), Handler)
            server.hub, server.role = self, role
            if self.certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            self.servers.append(server)
        scheme = "https" if self.certificate else "http"
        hub, storage = (server.server_address[1] for server in self.servers)
        self.url, self.storage_url = f"{scheme}://127.0.0.1:{hub}", f"{scheme}://localhost:{storage}"
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, repository, files, **options):
        self.models[repository] = Model(files, **options)
        return self.models[repository]

    def next_fault(self, name):
        with self.lock:
            faults = self.faults.get(name, [])
            return faults.pop(0) if faults else None

    def pause(self, fault):
        with self.arrived:
            self.sending += 1
            self.most_at_once = max(self.most_at_once, self.sending)
            self.arrived.notify_all()
            if isinstance(fault, Together):
                self.arrived.wait_for(lambda: self.most_at_once >= fault.count, timeout=20)
        if isinstance(fault, Slow):
            time.sleep(fault.seconds)
        with self.arrived:
            self.sending -= 1

    def asked_for(self, part, role=None):
        return [(path, headers) for path, headers, who in self.requests if part in path and role in (None, who)]
