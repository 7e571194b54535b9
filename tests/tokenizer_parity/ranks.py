"""Makes model folders with the real vocabularies of Qwen2.5 and Llama 3 from the ranks that two packages bring.

The ranks are tiktoken's (bytes and priority); tokenizer.json needs pieces in the byte alphabet and a list of merges: every
split of a piece into two pieces, ordered by the piece's rank, then by the ranks of the halves.
"""

import base64
import importlib.util
import json
from pathlib import Path

QWEN2_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_REGEX = QWEN2_REGEX.replace(r"\p{N}| ", r"\p{N}{1,3}| ")
QWEN2_ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
               "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
               "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>",
               "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
LLAMA3_ADDED = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>",
                7: "<|end_header_id|>", 8: "<|eom_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>"}


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def package_file(package, path):
    """Path of a file inside an installed package, or None."""
    found = importlib.util.find_spec(package)
    file = Path(found.submodule_search_locations[0]) / path if found else None
    return file if file and file.is_file() else None


def read_ranks(path):
    ranks = {}
    for line in path.read_bytes().splitlines():
        piece, rank = line.split()
        ranks[base64.b64decode(piece)] = int(rank)
    return ranks


def merges_of(ranks):
    for piece in sorted(ranks, key=ranks.get):
        splits = [(ranks[piece[:i]], ranks[piece[i:]], piece[:i], piece[i:])
                  for i in range(1, len(piece)) if piece[:i] in ranks and piece[i:] in ranks]
        yield from ((left, right) for _, _, left, right in sorted(splits, key=lambda split: split[:2]))


def tokenizer_json(ranks, added, regex, normalizer, ignore_merges):
    alphabet = byte_alphabet()
    text = {piece: "".join(alphabet[b] for b in piece) for piece in ranks}
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    bytes_step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": content[1] == "|"} for i, content in added],
        "normalizer": normalizer, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_step]},
        "post_processor": bytes_step, "decoder": bytes_step,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges,
                  "vocab": {text[piece]: rank for piece, rank in ranks.items()},
                  "merges": [f"{text[left]} {text[right]}" for left, right in merges_of(ranks)]},
    }


def write_folder(folder, make):
    """Writes FOLDER/tokenizer.json once; a killed run leaves no half file."""
    file = folder / "tokenizer.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "tokenizer.json.tmp"
        temporary.write_text(json.dumps(make(), ensure_ascii=False), encoding="utf-8")
        temporary.rename(file)
    return folder


def qwen2(cache):
    """Folder with the Qwen2.5 tokenizer, or None when the package is missing."""
    path = package_file("dashscope", "resources/qwen.tiktoken")
    make = lambda: tokenizer_json(read_ranks(path), list(enumerate(QWEN2_ADDED, 151643)), QWEN2_REGEX, {"type": "NFC"},
                                  False)
    return write_folder(Path(cache) / "qwen2", make) if path else None


def llama3(cache):
    """Folder with the Llama 3 tokenizer, or None when the package is missing."""
    path = package_file("llama_models", "llama3/tokenizer.model")
    added = [(128000 + i, LLAMA3_ADDED.get(i, f"<|reserved_special_token_{i}|>")) for i in range(256)]
    make = lambda: tokenizer_json(read_ranks(path), added, LLAMA3_REGEX, None, True)
    return write_folder(Path(cache) / "llama3", make) if path else None
