"""Ids, decoding, streams and spans are equal to the `tokenizers` package's, on real vocabularies and on made-up flags."""

import json
import os
import sys
import tempfile
from pathlib import Path

import ranks
import texts
from parity import TokenizersReference, ask, compare, compare_decoding

CACHE = os.environ["PARITY_CACHE"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])

# Ids that llama.cpp publishes for these vocabularies (models/ggml-vocab-{qwen2,llama-bpe}.gguf.out).
KNOWN = {
    "qwen2": {"Hello world": [9707, 1879], "\n =": [198, 284], "33333": [18] * 5, "Cửa Việt": [34, 90063, 128324],
              "    Hello\n    Hello": [262, 21927, 198, 262, 21927]},
    "llama3": {"Hello world": [9906, 1917], "\n =": [198, 284], "33333": [8765, 1644], "Cửa Việt": [34, 91163, 101798],
               "w048 7tuijk dsdfhu": [86, 23904, 220, 22, 83, 2005, 42908, 11729, 3013, 17156]},
}


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
            wrong += compare(name, Path(folder), lines, TokenizersReference(Path(folder)))
    return wrong


# Name → (maker of the folder, its special tokens, of the blocks of all code points every so many).
VOCABULARIES = {
    "qwen2": (ranks.qwen2, ranks.QWEN2_ADDED, 2),
    "llama3": (ranks.llama3, list(ranks.LLAMA3_ADDED.values()), 10),
    "phi4": (ranks.phi4, ranks.PHI4_ADDED, 20),
    "phi4-mini": (ranks.phi4_mini, ranks.PHI4_MINI_ADDED, 5),
    "tekken": (ranks.tekken, ranks.TEKKEN_ADDED, 20),
}


def tekken_alone(lines):
    """tekken.json read directly gives the ids of the tokenizer.json made from it, and tiktoken's."""
    import tiktoken
    folder = ranks.tekken_alone(CACHE)
    wrong = compare("tekken.json", folder, lines, TokenizersReference(ranks.tekken(CACHE)))
    encoding = tiktoken.Encoding("tekken", pat_str=ranks.TEKKEN_REGEX, mergeable_ranks=ranks.read_tekken(), special_tokens={})
    code = list(texts.code(200_000))
    differ = sum(answer["ids"] != [1000 + i for i in encoding.encode_ordinary(text)]
                 for text, answer in zip(code, ask(folder, code)))
    print(f"tekken.json: {len(code)} files of code against tiktoken, {differ} differences")
    return wrong + differ


def main():
    tiny = SOURCE / "configs/models/tiny"
    wrong = compare("tiny", tiny, texts.all_texts(["<|im_start|>", "<|im_end|>", "<|endoftext|>"], step=20),
                    TokenizersReference(tiny))
    for name, (make, special, step) in VOCABULARIES.items():
        folder = make(CACHE)
        if not folder:
            print(f"{name}: left out, its package (dashscope, llama-models or mistral-common) is not installed")
            continue
        reference = TokenizersReference(folder)
        lines = texts.all_texts(special, step, count=10_000)
        wrong += compare(name, folder, lines, reference)
        wrong += compare_decoding(name, folder, reference, reference.tokenizer.get_vocab_size(), range(1000, 1400))
        if name in KNOWN:
            wrong += known_ids(name, folder)
        if name == "tekken":
            wrong += tekken_alone(lines[:3000])
        if name == "qwen2":
            wrong += compare_flags(CACHE)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
