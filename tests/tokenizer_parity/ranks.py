"""Makes model folders with real byte-level vocabularies from the ranks that packages bring: Qwen2.5, Llama 3, Tekken (Mistral
Nemo), and the splits and added tokens of Phi-4 and Phi-4-mini over the ranks of Llama 3 and Tekken.

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
O200K_WORDS = [r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
               r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"]
CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K_REGEX = "|".join([word + CONTRACTION for word in O200K_WORDS] + [r"\p{N}{1,3}", O200K_REST])
TEKKEN_REGEX = "|".join([*O200K_WORDS, r"\p{N}", O200K_REST])
LLAMA3_REGEX = QWEN2_REGEX.replace(r"\p{N}| ", r"\p{N}{1,3}| ")
QWEN2_ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
               "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
               "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>",
               "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]
LLAMA3_ADDED = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>",
                7: "<|end_header_id|>", 8: "<|eom_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>"}


PHI4_ADDED = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|im_start|>", "<|im_end|>",
              "<|im_sep|>", "<|dummy_85|>"]
PHI4_MINI_ADDED = ["<|endoftext|>", "<|endofprompt|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>", "<|tool|>",
                   "<|/tool|>", "<|tool_call|>", "<|/tool_call|>", "<|tool_response|>", "<|tag|>"]
TEKKEN_ADDED = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
                "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
                "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"]


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


def tokenizer_json(ranks, added, regex, normalizer, ignore_merges, first=0, **flags):
    """`added`: (id, text) pairs; `first`: id of rank 0; `flags`: of every added token."""
    alphabet = byte_alphabet()
    text = {piece: "".join(alphabet[b] for b in piece) for piece in ranks}
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    bytes_step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": content[1] == "|" or first > 0, **flags} for i, content in added],
        "normalizer": normalizer, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_step]},
        "post_processor": bytes_step, "decoder": bytes_step,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges,
                  "vocab": {**{content: i for i, content in added if i < first},
                            **{text[piece]: rank + first for piece, rank in ranks.items()}},
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


def tekken_file():
    return package_file("mistral_common", "data/tekken_240718.json")


def read_tekken():
    """Ranks that the model uses."""
    file = json.loads(tekken_file().read_text(encoding="utf-8"))
    used = file["config"]["default_vocab_size"] - file["config"]["default_num_special_tokens"]
    return {base64.b64decode(piece["token_bytes"]): piece["rank"] for piece in file["vocab"][:used]}


def tekken(cache):
    """Folder with a tokenizer.json made from Mistral's tekken.json, or None when the package is missing."""
    added = [(i, TEKKEN_ADDED[i] if i < len(TEKKEN_ADDED) else f"<SPECIAL_{i}>") for i in range(1000)]
    make = lambda: tokenizer_json(read_tekken(), added, TEKKEN_REGEX, None, True, first=1000)
    return write_folder(Path(cache) / "tekken", make) if tekken_file() else None


def tekken_alone(cache):
    """Folder with tekken.json and nothing else."""
    if not tekken_file():
        return None
    folder = Path(cache) / "tekken-alone"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "tekken.json"
    if not link.exists():
        link.symlink_to(tekken_file())
    return folder


def phi4(cache):
    """Merges always decide, and added tokens swallow the blanks on both sides."""
    path = package_file("llama_models", "llama3/tokenizer.model")
    make = lambda: tokenizer_json(read_ranks(path), list(enumerate(PHI4_ADDED, 128000)), LLAMA3_REGEX, None, False,
                                  lstrip=True, rstrip=True)
    return write_folder(Path(cache) / "phi4", make) if path else None


def phi4_mini(cache):
    """The split of GPT-4o; added tokens swallow the blanks after them."""
    make = lambda: tokenizer_json(read_tekken(), list(enumerate(PHI4_MINI_ADDED, 130072)), O200K_REGEX, None, False,
                                  rstrip=True)
    return write_folder(Path(cache) / "phi4-mini", make) if tekken_file() else None
