#!/usr/bin/env python3
"""Measures encoding on one core beside the packages `tokenizers` and `sentencepiece`, in the same run, and writes a page.

    .deps/venv/bin/python benchmarks/tokenizer_speed.py build/release/tests/tokenizer_parity/encode_lines \
        benchmarks/results/tokenizers-cpu.md

Prose and code: Python's own reference texts and library, in rows of 2,000 characters. The vocabularies are those of the parity
tests (tests/tokenizer_parity). Each time is the least of three. Exit status 1 when a vocabulary misses its aim: 5 MB/s, and three
times `tokenizers`.
"""
import argparse
import os
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

PARITY = Path(__file__).resolve().parent.parent / "tests/tokenizer_parity"
ROW = 2000


def rows(limit):
    """About `limit` characters of prose and as many of code."""
    from pydoc_data.topics import topics
    prose = "\n".join(topics[name] for name in sorted(topics))[:limit]
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    code = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)[:limit]
    return [text[at:at + ROW] for text in (prose, code) for at in range(0, len(text), ROW)]


def least_of_three(encode, texts):
    def once():
        start = time.perf_counter()
        for text in texts:
            encode(text)
        return time.perf_counter() - start
    return min(once() for _ in range(3))


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def measure(folder, texts):
    """(vocabulary, ours, tokenizers or None, sentencepiece or None), speeds in MB/s, and seconds for a long run."""
    from parity import SentencePieceReference, TokenizersReference, ask
    size = sum(len(text.encode()) for text in texts) / 1e6
    ours = size / ask(folder, texts, "--bench")[0]["seconds"]
    run = ask(folder, ["a" * 1_000_000], "--bench")[0]["seconds"]
    if (folder / "tokenizer.json").exists():
        reference = TokenizersReference(folder)
        count = reference.tokenizer.get_vocab_size()
        return count, ours, size / least_of_three(reference.encode, texts), None, run
    reference = SentencePieceReference(folder)
    speed = size / least_of_three(reference.processor.encode, texts)
    return reference.processor.vocab_size(), ours, None, speed, run


def page(results, size):
    import sentencepiece
    import tokenizers
    lines = ["# Encoding speed of the tokenizers", "",
             f"`benchmarks/tokenizer_speed.py` on one core of {processor()}: {size:.1f} MB of prose and code in rows of {ROW} characters,",
             f"no special tokens, every time the least of three; tokenizers {tokenizers.__version__}, sentencepiece "
             f"{sentencepiece.__version__}. MB are 10^6 bytes.", "",
             "| vocabulary | engine | pieces | slmtune MB/s | tokenizers MB/s | sentencepiece MB/s | times faster | 1,000,000 × 'a' |",
             "|---|---|---|---|---|---|---|---|"]
    for name, engine, (count, ours, theirs, pieces, run) in results:
        show = lambda speed: "–" if speed is None else f"{speed:.1f}"
        lines.append(f"| {name} | {engine} | {count} | {ours:.1f} | {show(theirs)} | {show(pieces)} | "
                     f"{ours / (theirs or pieces):.1f} | {run:.2f} s |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the built encode_lines")
    parser.add_argument("result", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    os.environ.update(ENCODE_LINES=arguments.program, TOKENIZERS_PARALLELISM="false")
    sys.path.insert(0, str(PARITY))
    import ranks
    import sentencepiece_models as models
    texts = rows(700_000)
    with tempfile.TemporaryDirectory() as cache:
        folders = [("Qwen2.5", "byte-level", ranks.qwen2(cache)), ("Llama 3", "byte-level", ranks.llama3(cache)),
                   ("Phi-4-mini's split over Tekken's ranks", "byte-level", ranks.phi4_mini(cache)),
                   ("Tekken", "byte-level", ranks.tekken(cache)),
                   ("Gemma's form over Tekken's pieces", "SentencePiece", models.folder_of(cache, "gemma")),
                   ("Phi-3's form over Mistral v1", "SentencePiece", models.folder_of(cache, "phi3")),
                   ("Mistral v3 tokenizer.model", "SentencePiece", models.mistral(cache, "v3"))]
        results = [(name, engine, measure(folder, texts)) for name, engine, folder in folders]
    arguments.result.write_text(page(results, sum(len(text.encode()) for text in texts) / 1e6))
    print(arguments.result.read_text())
    misses = [name for name, _, (_, ours, theirs, _, _) in results if ours < 5 or (theirs and ours < 3 * theirs)]
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
