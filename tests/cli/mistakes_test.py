"""What users do wrong, and what they are told: every row of mistakes.txt gives exactly that message and exit code.

    mistakes_test.py            compare
    mistakes_test.py --accept   write mistakes.txt anew from what the program says (then read the difference)

A row is a title, the command, the exit code and stderr; rows are separated by lines of '='. The files that the commands
name are made here, one function per area. {root} stands for the temporary folder, {build} for the program's.
"""
import fcntl
import json
import pathlib
import shlex
import shutil
import struct
import sys

from sandbox import FAQ, PROGRAM, Sandbox, chat_row

TABLE = pathlib.Path(__file__).with_name("mistakes.txt")
SEPARATOR = "\n" + "=" * 80 + "\n"


def recipes(box):
    box.write("syntax.yaml", FAQ.replace("{path: model}", "{path: model"))
    box.write("tab.yaml", FAQ.replace("  valid:", "\tvalid:"))
    box.write("unknown.yaml", FAQ.replace("rank: 4", "rnak: 4"))
    box.write("foreign.yaml", FAQ + "num_train_epochs: 3\n")
    box.write("type.yaml", FAQ.replace("max_steps: 2", "max_steps: two"))
    box.write("range.yaml", FAQ.replace("rank: 4", "rank: 0"))
    box.write("choice.yaml", FAQ.replace("method: lora", "method: lroa"))
    box.write("objective.yaml", FAQ + "objective: grpo\n")
    box.write("noname.yaml", FAQ.replace("name: faq\n", ""))
    box.write("badname.yaml", FAQ.replace("name: faq", "name: faq/2024"))
    box.write("nodata.yaml", "name: faq\nmodel: {path: model}\n")
    box.write("nomodel.yaml", FAQ.replace("model: {path: model}\n", ""))
    box.write("duplicate.yaml", FAQ + "method: lora\n")
    box.write("empty.yaml", "")
    box.write("list.yaml", "- name: faq\n")
    box.write("many.yaml", FAQ.replace("rank: 4", "rnak: 4").replace("max_steps: 2", "max_steps: two") + "method: full\n")
    box.write("full_lora.yaml", FAQ.replace("method: lora", "method: full"))
    box.write("two_models.yaml", FAQ.replace("{path: model}", "{path: model, init: mini.yaml}"))
    box.write("same_valid.yaml", FAQ.replace("valid.jsonl", "./rows.jsonl"))
    box.write("gate.yaml", FAQ + "gate: {max_loss_increase: 0.02}\n")
    box.write("encoding.yaml", FAQ + "export: [{format: gguf, encoding: q9_0}]\n")
    box.write("hf_encoding.yaml", FAQ + "export: [{format: hf, encoding: f16}]\n")
    box.write("template.yaml", FAQ.replace("{path: model}", "{path: model, template: chatmll}"))
    box.write("targets.yaml", FAQ.replace("alpha: 8", "alpha: 8, targets: [q_porj]"))
    box.write("metric.yaml", FAQ.replace("[loss]", "[loss, exact]"))
    box.write("store_file", "not a folder\n")
    box.write("runs/old/runs/20260101T000000Z-0000/recipe.yaml", FAQ)
    box.write("runs/old/runs/20260102T000000Z-0000/recipe.yaml", FAQ)
    box.write("runs/old/runs/20260102T000000Z-0000/summary.json", "{}\n")
    box.write("fraction.yaml", FAQ.replace("{path: valid.jsonl}", "{path: valid.jsonl, fraction: 0.1}"))
    box.write("twice.yaml", FAQ.replace("[{path: rows.jsonl}]", "[rows.jsonl, ./rows.jsonl]"))
    box.write("warmup.yaml", FAQ.replace("max_steps: 2", "max_steps: 2, warmup: 0.6"))
    box.write("no_rows.yaml", FAQ.replace("  valid: {path: valid.jsonl}\n", "").replace("[loss]", "[loss, f1]"))
    box.write("exports.yaml", FAQ + "export:\n  - {format: gguf}\n  - {encoding: q8_0}\n")
    box.write("adapter.yaml", FAQ.replace("{path: model}", "{from: 'runs/faq#1', adapter: runs/faq/snapshots/0001}"))
    full = FAQ.replace("method: lora\nlora: {rank: 4, alpha: 8}", "method: full")
    box.write("full_quant.yaml", full.replace("{path: model}", "{path: model, quant: nf4}"))
    box.write("full_adapter.yaml", full.replace("{path: model}", "{path: model, adapter: runs/faq/snapshots/0001}"))
    box.write("no_answers.yaml", FAQ.replace("[loss]", "[loss, f1]").replace("max_tokens: 128", "format: text"))
    box.write("flag.yaml", FAQ.replace("max_tokens: 128", "pack: yes"))
    box.write("infinite.yaml", FAQ.replace("1.0e-3", ".inf"))
    box.write("anchor.yaml", FAQ.replace("{path: rows.jsonl}", "&rows {path: rows.jsonl}"))
    box.write("merge.yaml", FAQ.replace("{rank: 4, alpha: 8}", "{<<: {rank: 4}, alpha: 8}"))
    box.write("tag.yaml", FAQ.replace("name: faq", "name: !!str faq"))
    box.write("documents.yaml", FAQ + "---\n" + FAQ)
    box.write("deep.yaml", FAQ + "gate: " + "[" * 20 + "]" * 20 + "\n")
    box.write("control.yaml", FAQ.replace("name: faq", "name: f\x1b[31maq"))
    box.write("latin1.yaml", FAQ.replace("name: faq", "name: caf\xe9").encode("latin-1"))
    box.write("large.yaml", FAQ + "# " + "x" * (256 << 10) + "\n")
    box.write("later.yaml", FAQ.replace("[loss]", "[loss], prompts: golden.jsonl") + "gate: {max_loss_increase: 0.02}\n")
    box.write("rank.yaml", FAQ.replace("{path: model}", "{from: 'runs/faq#1'}").replace("rank: 4", "rank: 8"))
    box.write("full_from.yaml", FAQ.replace("{path: model}", "{from: 'runs/faq#1'}")
              .replace("method: lora\nlora: {rank: 4, alpha: 8}", "method: full"))


def rows(box):
    good = chat_row("Who?", "Me.")
    box.write("data/broken.jsonl", good + "\n" + good[:-3] + "\n" + good + "\n")
    box.write("data/shape.jsonl", good + '\n{"question_text": "a", "reply": "b"}\n')
    box.write("data/role.jsonl", '{"messages": [{"role": "robot", "content": "a"}, {"role": "assistant", "content": "b"}]}\n')
    box.write("data/type.jsonl", '{"messages": "hello"}\n')
    box.write("data/empty.jsonl", "")
    box.write("data/no_answer.jsonl", good + '\n{"messages": [{"role": "user", "content": "a"}]}\n')
    box.write("data/long.jsonl", good + "\n" + chat_row("Tell me", "very long " * 200) + "\n")
    box.write("data/latin1.jsonl", good.encode() + b"\n" + good.replace("Me", "M\xe9").encode("latin-1") + b"\n")


def copy_model(box, name):
    shutil.copytree(box.path("model"), box.path(name))
    return box.path(name)


def edit_json(path, **changes):
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


def edit_weights(path, change):
    """Rewrites the header of a safetensors file with `change(header)`; the bytes after it stay."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size:])


def models(box):
    weights = copy_model(box, "truncated") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    edit_weights(copy_model(box, "missing") / "model.safetensors",
                 lambda header: header.__setitem__("model.norm.wieght", header.pop("model.norm.weight")))

    def transpose(header):
        header["model.layers.0.mlp.down_proj.weight"]["shape"].reverse()
    edit_weights(copy_model(box, "misshapen") / "model.safetensors", transpose)
    (copy_model(box, "pickled") / "model.safetensors").rename(box.path("pickled/pytorch_model.bin"))
    edit_json(copy_model(box, "unknown_family") / "config.json", architectures=["BertModel"], model_type="bert")
    edit_json(copy_model(box, "rope") / "config.json", rope_scaling={"rope_type": "longrope", "factor": 4.0})
    (copy_model(box, "no_tokenizer") / "tokenizer.json").unlink()
    tokenizer = copy_model(box, "bad_tokenizer") / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text()[:1000])
    edit_json(copy_model(box, "jinja") / "tokenizer_config.json", chat_template="{{ messages[0].content }}")
    config = copy_model(box, "small_vocabulary") / "config.json"
    edit_json(config, vocab_size=1024)
    (copy_model(box, "bad_config") / "config.json").write_text('{"architectures": ["LlamaForCausalLM"')
    (copy_model(box, "web_page") / "model.safetensors").write_text("<html>404 not found</html>")


def adapters(box):
    adapter = box.path("runs/faq/snapshots/0001")
    shutil.copytree(adapter, box.path("other_adapter"))
    box.path("other_adapter/manifest.json").unlink()

    def narrow(header):
        for name, entry in header.items():
            if name.endswith("q_proj.lora_A.weight"):
                entry["shape"] = [entry["shape"][0] * 2, entry["shape"][1] // 2]
    edit_weights(box.path("other_adapter/adapter_model.safetensors"), narrow)
    box.path("half_adapter").mkdir()
    shutil.copy(adapter / "adapter_config.json", box.path("half_adapter"))
    shutil.copytree(box.path("half_adapter"), box.path("homeless"))
    edit_json(box.path("homeless/adapter_config.json"), base_model_name_or_path="models/gone")
    box.path("dora").mkdir()
    shutil.copy(adapter / "adapter_model.safetensors", box.path("dora"))
    shutil.copy(adapter / "adapter_config.json", box.path("dora"))
    edit_json(box.path("dora/adapter_config.json"), use_dora=True)


def other_files(box):
    box.write("broken.gguf", b"GGUF" + struct.pack("<IQQ", 3, 5, 1 << 60) + b"\0" * 40)
    box.write("notgguf.gguf", b"PK\x03\x04 a zip archive")
    box.write("picture.png", b"\x89PNG")
    box.write("taken/file.txt", "x")
    box.write("taken.gguf", "x")
    box.path("nothing").mkdir()
    # A store in use: the lock is held by this process.
    box.path("runs/busy").mkdir(parents=True)
    box.lock = open(box.write("runs/busy/lock", "pid=1 since=2026-01-01T00:00:00Z command=slmtune train other.yaml\n"), "r+")
    fcntl.flock(box.lock, fcntl.LOCK_EX)


def observed(box, command):
    result = box.run(*shlex.split(command)[1:])
    of_machine = ("device: ", "memory: about ")
    lines = [line for line in result.stderr.splitlines() if not line.startswith(of_machine)]
    message = "\n".join(lines).replace(str(box.root), "{root}").replace(str(pathlib.Path(PROGRAM).parent), "{build}")
    return result.returncode, message, result.stdout


def parse_table():
    entries = []
    for block in TABLE.read_text().rstrip("\n").split(SEPARATOR):
        title, command, code, *message = block.split("\n")
        entries.append((title, command.removeprefix("$ "), int(code.removeprefix("exit ")), "\n".join(message)))
    return entries


def main():
    entries = parse_table()
    with Sandbox() as box:
        box.make_model()
        for make in (recipes, rows, models, adapters, other_files):
            make(box)
        failed, blocks = 0, []
        for title, command, code, message in entries:
            if "cuda" in command and pathlib.Path(PROGRAM).with_name("libslmtune_cuda.so").exists():
                print(f"left out: {title}: this build has the CUDA module")
                blocks.append(f"{title}\n$ {command}\nexit {code}\n{message}")
                continue
            got_code, got_message, got_output = observed(box, command)
            blocks.append(f"{title}\n$ {command}\nexit {got_code}\n{got_message}")
            problem = "" if (got_code, got_message) == (code, message) else "another message"
            if got_code in (0, 1, 2) or got_output:
                problem = "exit code 0, 1 or 2, or output beside the error"
            if problem:
                failed += 1
                print(f"--- {title}: {problem}\n$ {command}\nexpected {code}:\n{message}\ngot {got_code}:\n{got_message}\n{got_output}")
        if "--accept" in sys.argv:
            TABLE.write_text(SEPARATOR.join(blocks) + "\n")
        print(f"{len(entries)} mistakes, {failed} differ")
        sys.exit(1 if failed and "--accept" not in sys.argv else 0)


main()
