"""An Ollama of the test's own: the part of its published HTTP interface (docs/api.md) that `slmtune deploy` uses, with its
rules. Blobs lie in files by their digest and are checked when they come in, and only then; a model is made from blobs that
are there; making one anew or deleting one removes the blobs that no model needs any more; adapters are refused from 0.34.1 on,
files by digest before 0.5.5; a stream of status lines may end in an error although its status was 200.

    with OllamaServer(folder, tokenizer_json) as server:
        server.version = "0.34.0"
        ... url=server.url ...
        server.requests                     # "POST /api/create", in order
        server.faults["/api/create"] = ["stream"]      # used up one by one: stream, 500, cut
"""
import hashlib
import http.server
import json
import pathlib
import re
import threading

import tokenizers

MODEL = "application/vnd.ollama.image.model"
ADAPTER = "application/vnd.ollama.image.adapter"


def parts(version):
    return tuple(int(part) for part in version.split("-")[0].split("."))


def tagged(name):
    return name if ":" in name.rsplit("/", 1)[-1] else name + ":latest"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def stream(self, lines):
        self.answer(200, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def handle_any(self):
        server = self.server.owner
        server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = server.next_fault(self.path)
        if fault == "cut":
            self.close_connection = True
            return self.connection.close()
        if fault == "500":
            return self.answer(500, {"error": "out of order"})
        if server.token and self.headers.get("Authorization") != f"Bearer {server.token}":
            return self.answer(401, {"error": "unauthorized"})
        if self.path.startswith("/api/blobs/"):
            return self.blob(server, self.path.rsplit("/", 1)[1], body)
        try:
            wanted = json.loads(body or b"{}")
        except ValueError:
            return self.answer(400, {"error": "invalid json"})
        with server.lock:
            return getattr(server, "do_" + self.path.rsplit("/", 1)[1])(self, wanted, fault)

    do_GET = do_HEAD = do_POST = do_DELETE = handle_any

    def blob(self, server, digest, body):
        if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
            return self.answer(400, {"error": "invalid digest format"})
        path = server.blob_path(digest)
        if self.command == "HEAD":
            return self.answer(200 if path.exists() else 404)
        if path.exists():
            return self.answer(200)
        if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
            return self.answer(400, {"error": f"digest mismatch, expected {digest!r}"})
        path.write_bytes(body)
        return self.answer(201)


class OllamaServer:
    def __init__(self, folder, tokenizer_json):
        self.folder = pathlib.Path(folder)
        (self.folder / "blobs").mkdir(parents=True, exist_ok=True)
        self.tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_json))
        self.version, self.token = "0.35.0", ""
        self.models, self.loaded = {}, []
        self.requests, self.faults, self.lock = [], {}, threading.Lock()
        self.bos = 0   # tokens that a broken template would add

    def __enter__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None   # a client that was killed
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def next_fault(self, path):
        faults = self.faults.get(path)
        return faults.pop(0) if faults else None

    def blob_path(self, digest):
        return self.folder / "blobs" / digest.replace(":", "-")

    def digest(self, name):
        return hashlib.sha256(json.dumps(self.models[name], sort_keys=True).encode()).hexdigest()

    def prune(self):
        needed = {layer["digest"] for model in self.models.values() for layer in model["layers"]}
        for path in (self.folder / "blobs").iterdir():
            if path.name.replace("-", ":", 1) not in needed:
                path.unlink()

    def file_of(self, name):
        return next(self.blob_path(layer["digest"]) for layer in self.models[name]["layers"] if layer["type"] == MODEL)

    # Each answers one path.

    def do_version(self, handler, _, fault):
        handler.answer(200, {"version": self.version})

    def do_tags(self, handler, _, fault):
        handler.answer(200, {"models": [{"name": name, "digest": self.digest(name)} for name in self.models]})

    def do_show(self, handler, wanted, fault):
        name = tagged(wanted["model"])
        if name not in self.models:
            return handler.answer(404, {"error": f"model '{name}' not found"})
        return handler.answer(200, {"modelfile": f"# Modelfile generated by \"ollama show\"\n\nFROM {self.file_of(name)}\n",
                                    "template": self.models[name]["template"]})

    def do_create(self, handler, wanted, fault):
        if parts(self.version) < (0, 5, 5) or ("files" not in wanted and "from" not in wanted):
            return handler.answer(400, {"error": "neither 'from' or 'files' was specified"})
        if wanted.get("adapters") and parts(self.version) >= (0, 34, 1):
            return handler.answer(400, {"error": "LoRA adapters are no longer supported"})
        if wanted.get("quantize"):
            return handler.answer(400, {"error": "create-time quantization is only supported for safetensors imports"})
        layers = []
        for key, kind in (("files", MODEL), ("adapters", ADAPTER)):
            for name, digest in (wanted.get(key) or {}).items():
                path = self.blob_path(digest)
                if "/" in name or not path.exists():
                    return handler.answer(400, {"error": f"blob not found for {name}"})
                if path.read_bytes()[:4] != b"GGUF":
                    return handler.stream([{"status": "parsing GGUF"}, {"error": "supplied file was not in GGUF format"}])
                layers.append({"type": kind, "digest": digest})
        if "from" in wanted:
            if tagged(wanted["from"]) not in self.models:
                return handler.stream([{"error": "pull model manifest: file does not exist"}])
            layers = self.models[tagged(wanted["from"])]["layers"] + layers
        if fault == "stream":
            return handler.stream([{"status": "parsing GGUF"}, {"error": "no space left on device"}])
        stop = wanted["parameters"].get("stop", [])
        assert all(isinstance(text, str) for text in stop) and isinstance(wanted["parameters"]["num_ctx"], int)
        self.models[tagged(wanted["model"])] = {"layers": layers, "template": wanted.get("template", ""),
                                                "parameters": wanted["parameters"]}
        self.prune()
        return handler.stream([{"status": "parsing GGUF"}, {"status": "writing manifest"}, {"status": "success"}])

    def do_copy(self, handler, wanted, fault):
        if tagged(wanted["source"]) not in self.models:
            return handler.answer(404, {"error": "not found"})
        self.models[tagged(wanted["destination"])] = self.models[tagged(wanted["source"])]
        return handler.answer(200)

    def do_delete(self, handler, wanted, fault):
        if self.models.pop(tagged(wanted["model"]), None) is None:
            return handler.answer(404, {"error": "not found"})
        self.prune()
        return handler.answer(200)

    def do_ps(self, handler, _, fault):
        handler.answer(200, {"models": [{"name": name, "size_vram": 1} for name in self.loaded]})

    def do_generate(self, handler, wanted, fault):
        name = tagged(wanted["model"])
        if name not in self.models:
            return handler.answer(404, {"error": f"model '{name}' not found"})
        if wanted.get("keep_alive") == 0:
            self.loaded = [one for one in self.loaded if one != name]
            return handler.answer(200, {"model": name, "response": "", "done": True, "done_reason": "unload"})
        self.loaded = sorted({*self.loaded, name})
        count = len(self.tokenizer.encode(wanted.get("prompt", ""), add_special_tokens=False).ids)
        return handler.answer(200, {"model": name, "response": "x", "done": True, "prompt_eval_count": count, "eval_count": 1})

    def do_chat(self, handler, wanted, fault):
        name = tagged(wanted["model"])
        if name not in self.models:
            return handler.answer(404, {"error": f"model '{name}' not found"})
        self.loaded = sorted({*self.loaded, name})
        text = render(self.models[name]["template"], wanted["messages"])
        count = len(self.tokenizer.encode(text, add_special_tokens=False).ids) + self.bos
        return handler.answer(200, {"model": name, "message": {"role": "assistant", "content": "x"}, "done": True,
                                    "prompt_eval_count": count, "eval_count": 1})


def render(template, messages):
    """Go templates of one loop over the messages, which is all that the tiny model's family needs."""
    loop = re.fullmatch(r"(.*)\{\{ range \.Messages \}\}(.*)\{\{ end \}\}(.*)", template, re.S)
    assert loop and "{{" not in loop[1] + loop[3], template
    turns = "".join(loop[2].replace("{{ .Role }}", one["role"]).replace("{{ .Content }}", one["content"]) for one in messages)
    return loop[1] + turns + loop[3]
