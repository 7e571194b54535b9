"""Ids, decoding, streams and spans are equal to the `tokenizers` package's, on real vocabularies and on made-up flags."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tokenizers import Tokenizer

import ranks
import texts

PROGRAM = os.environ["ENCODE_LINES"]
CACHE = os.environ["PARITY_CACHE"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])

# Ids that llama.cpp publishes for these vocabularies (models/ggml-vocab-{qwen2,llama-bpe}.gguf.out).
KNOWN = {
    "qwen2": {"Hello world": [9707, 1879], "\n =": [198, 284], "33333": [18] * 5, "Cửa Việt": [34, 90063, 128324],
              "    Hello\n    Hello": [262, 21927, 198, 262, 21927]},
    "llama3": {"Hello world": [9906, 1917], "\n =": [198, 284], "33333": [8765, 1644], "Cửa Việt": [34, 91163, 101798],
               "w048 7tuijk dsdfhu": [86, 23904, 220, 22, 83, 2005, 42908, 11729, 3013, 17156]},
}


def ask(folder, lines, *flags):
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([PROGRAM, str(folder), *flags], input=stdin.encode(), capture_output=True)
    if done.returncode != 0:
        sys.exit(f"encode_lines failed: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def shortest_difference(ours, theirs, text):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"{text[:60]!r}: from token {at}: ours {ours[at:at + 6]}, theirs {theirs[at:at + 6]}"


def compare(name, folder, lines):
    """Compares every text; returns the number of differences."""
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    wrong = []
    for text, answer in zip(lines, ask(folder, lines), strict=True):
        ids = reference.encode(text, add_special_tokens=False).ids
        if answer["ids"] != ids:
            wrong.append("ids of " + shortest_difference(answer["ids"], ids, text))
            continue
        for key, skip in (("text", False), ("stream", False), ("plain", True)):
            if answer[key] != reference.decode(ids, skip_special_tokens=skip):
                wrong.append(f"{key} of {text[:60]!r}")
        if not answer["spans"]:
            wrong.append(f"spans of {text[:60]!r}")
    for line in wrong[:10]:
        print(f"{name}: {line}")
    print(f"{name}: {len(lines)} texts, {len(wrong)} differences")
    return len(wrong)


def known_ids(name, folder):
    lines = list(KNOWN[name])
    wrong = [text for text, answer in zip(lines, ask(folder, lines)) if answer["ids"] != KNOWN[name][text]]
    print(f"{name}: {len(lines)} published vectors, {len(wrong)} differences {wrong}")
    return len(wrong)


def compare_flags(cache):
    """lstrip, rstrip, single_word, normalized, prefixes of each other, GPT-2's split, no normalizer."""
    flags = [("<l>", "lstrip"), ("<r>", "rstrip"), ("<lr>", "lstrip rstrip"), ("zqword", "single_word"), ("<n>", "normalized"),
             ("\u1e93f", "normalized"), ("<zpre", ""), ("<zprefix>", ""), ("ж<", ""), ("  ", ""), ("zqwo", "normalized single_word")]
    added = [{"id": 151643 + i, "content": content, "special": i % 2 == 0,
              **{flag: flag in words.split() for flag in ("lstrip", "rstrip", "single_word", "normalized")}}
             for i, (content, words) in enumerate(flags)]
    base = json.loads((ranks.qwen2(cache) / "tokenizer.json").read_text())
    special = [content for content, _ in flags] + [" <l>", "<r> \n", " <lr> ", "zqwords", " zqwo ", "z\u0323fg", "\u1e93f"]
    lines = [*texts.FIXED, *texts.noise(3000, special)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    wrong = 0
    for name, change in {
        "flags": {"added_tokens": added},
        "flags, GPT-2 split": {"added_tokens": added, "pre_tokenizer": byte_level, "normalizer": None},
        "no split": {"added_tokens": added[:3], "pre_tokenizer": {**byte_level, "use_regex": False},
                     "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}},
    }.items():
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.json").write_text(json.dumps({**base, **change}, ensure_ascii=False))
            wrong += compare(name, Path(folder), lines)
    return wrong


def benchmark(name, folder):
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lines = list(texts.code(1_500_000))
    size = sum(len(text.encode()) for text in lines) / 1e6
    ours = ask(folder, lines, "--bench")[0]["seconds"]
    start = time.perf_counter()
    for text in lines:
        reference.encode(text, add_special_tokens=False)
    theirs = time.perf_counter() - start
    run = ask(folder, ["a" * 1_000_000], "--bench")[0]["seconds"]
    print(f"{name}: {size / ours:.1f} MB/s, tokenizers {size / theirs:.1f} MB/s (one thread, {size:.1f} MB of code); "
          f"a run of 1,000,000 'a' in {run:.2f} s")


def main():
    tiny = texts.all_texts(["<|im_start|>", "<|im_end|>", "<|endoftext|>"], step=20)
    wrong = compare("tiny", SOURCE / "configs/models/tiny", tiny)
    folders = {"qwen2": ranks.qwen2(CACHE), "llama3": ranks.llama3(CACHE)}
    for name, folder in folders.items():
        if not folder:
            print(f"{name}: left out, its package (dashscope or llama-models) is not installed")
            continue
        special = ranks.QWEN2_ADDED if name == "qwen2" else list(ranks.LLAMA3_ADDED.values())
        wrong += compare(name, folder, texts.all_texts(special, step=1 if name == "qwen2" else 5)) + known_ids(name, folder)
        benchmark(name, folder)
    if folders["qwen2"]:
        wrong += compare_flags(CACHE)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
