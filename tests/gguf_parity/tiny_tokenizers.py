"""Tokenizers of every form that the families publish, small: about 2,000 tokens, cut from vocabularies that packages bring
or taken from the quick start. (tokenizer.json, tokenizer_config.json) of each, as dictionaries.

A SentencePiece vocabulary may be cut anywhere in the order of its scores: what is left is what its training would have had
at that point.
"""

import functools
import json
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/tokenizer_parity"))

import chat_templates  # noqa: E402
import ranks  # noqa: E402
import sentencepiece_models as spm  # noqa: E402

MERGED_PIECES = 1500
CHARACTERS = "äöüéèñçÄÖÜßŒ€„“”–…你好我是的中文世界ありがとう" + "".join(map(chr, range(32, 127)))
LLAMA3_ADDED = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
RUNS = range(2, 9)


def tiny() -> tuple[dict, dict]:
    folder = SOURCE / "configs/models/tiny"
    read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
    return read("tokenizer.json"), read("tokenizer_config.json")


def settings(added: list, chat_template: str, **more) -> dict:
    return {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, "model_max_length": 512,
            "chat_template": chat_template, **more,
            "added_tokens_decoder": {str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in added}}


def begins_with(tokenizer: dict, bos: str, number: int) -> None:
    """A post-processor that puts BOS in front of plain text, behind what is there."""
    one = [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    two = [{"SpecialToken": {"id": bos, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    step = {"type": "TemplateProcessing", "single": one, "pair": one + two,
            "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}}}
    before = tokenizer["post_processor"]
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [before, step]} if before else step


def qwen2() -> tuple[dict, dict]:
    tokenizer, config = tiny()
    config["chat_template"] = chat_templates.QWEN25.replace("DEFAULT", chat_templates.QWEN25_SYSTEM)
    return tokenizer, config


def llama3() -> tuple[dict, dict]:
    """The tiny vocabulary behind Llama 3's pipeline: its split, its marks after the base vocabulary, BOS in front."""
    tokenizer, _ = tiny()
    tokenizer["added_tokens"] += [spm.added_token(2048 + i, text) for i, text in enumerate(LLAMA3_ADDED)]
    tokenizer["normalizer"] = None
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = ranks.LLAMA3_REGEX
    tokenizer["model"]["ignore_merges"] = True
    begins_with(tokenizer, LLAMA3_ADDED[0], 2048)
    return tokenizer, settings(tokenizer["added_tokens"], chat_templates.LLAMA3, bos_token=LLAMA3_ADDED[0],
                               eos_token="<|eot_id|>", pad_token=None)


@functools.cache
def spm_scores(most: int = MERGED_PIECES) -> dict[str, float]:
    """Normal pieces of Mistral's first vocabulary by score: the first merges, then single characters."""
    pieces = [(piece, score) for piece, score, kind in spm.pieces_of(spm.mistral_file("v1")) if kind == 1]
    pieces.sort(key=lambda piece: -piece[1])
    merged = [piece for piece in pieces if len(piece[0]) > 1][:most]
    wanted = {spm.MARK, *CHARACTERS.replace(" ", "")}.union(*(piece for piece, _ in merged))
    return dict(merged + [piece for piece in pieces if piece[0] in wanted])


def spm_json(front: list[str], normalizer: dict | None, pre_tokenizer: dict | None, strip: bool,
             most: int = MERGED_PIECES) -> dict:
    """Tokens in front, the bytes, the pieces; no added tokens yet."""
    scores = spm_scores(most)
    names = [*front, *(f"<0x{byte:02X}>" for byte in range(256)), *scores]
    vocab = {piece: i for i, piece in enumerate(names)}
    return spm.tokenizer_json(vocab, spm.merges_of(scores), [], normalizer, pre_tokenizer, strip)


def mistral() -> tuple[dict, dict]:
    """As Mistral 7B v0.1 and v0.2, with the template of system texts: a blank in front of each stretch between marks."""
    front = ["<unk>", "<s>", "</s>"]
    tokenizer = spm_json(front, spm.PREPEND, None, True)
    tokenizer["added_tokens"] = [spm.added_token(i, text) for i, text in enumerate(front)]
    begins_with(tokenizer, "<s>", 1)
    return tokenizer, settings(tokenizer["added_tokens"], chat_templates.MISTRAL_V1, bos_token="<s>", eos_token="</s>",
                               unk_token="<unk>", pad_token=None)


def mistral_v3() -> tuple[dict, dict]:
    """As Mistral 7B v0.3 saved anew: [INST] is a token, and a blank stands in front of the whole text only."""
    front = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    tokenizer = spm_json(front, None, spm.metaspace("first", False), True)
    tokenizer["added_tokens"] = [spm.added_token(i, text) for i, text in enumerate(front)]
    begins_with(tokenizer, "<s>", 1)
    return tokenizer, settings(tokenizer["added_tokens"], chat_templates.MISTRAL_V3, bos_token="<s>", eos_token="</s>",
                               unk_token="<unk>", pad_token=None)


def gemma(most: int = MERGED_PIECES) -> tuple[dict, dict]:
    """No blank in front; runs of newlines and blanks are added tokens, which merges make, too."""
    front = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<unused0>", "\n"]
    runs = [mark * n for mark in ("\n", spm.MARK) for n in RUNS]
    tokenizer = spm_json(front + runs, spm.MARK_BLANKS, spm.SPLIT_BLANKS, False, most)
    vocab = tokenizer["model"]["vocab"]
    first = [[mark * i, mark * (n - i)] for mark in ("\n", spm.MARK) for n in RUNS for i in range(1, n)]
    tokenizer["model"]["merges"] = first + [merge for merge in tokenizer["model"]["merges"] if merge not in first]
    tokenizer["added_tokens"] = [spm.added_token(i, text) for i, text in enumerate(front[:-1])]
    tokenizer["added_tokens"] += [spm.added_token(vocab[run], run, special=False) for run in runs]
    begins_with(tokenizer, "<bos>", 2)
    return tokenizer, settings(tokenizer["added_tokens"], chat_templates.GEMMA2, bos_token="<bos>", eos_token="<eos>",
                               unk_token="<unk>", pad_token="<pad>")


def phi3() -> tuple[dict, dict]:
    """Llama 2's form; the marks behind it swallow the blanks after them, and no BOS goes in front."""
    front = ["<unk>", "<s>", "</s>"]
    tokenizer = spm_json(front, spm.PREPEND, None, True)
    size = len(tokenizer["model"]["vocab"])
    tokenizer["added_tokens"] = [spm.added_token(0, "<unk>"), spm.added_token(1, "<s>"),
                                 spm.added_token(2, "</s>", special=False, rstrip=True)]
    tokenizer["added_tokens"] += [spm.added_token(size + i, text, rstrip=i > 0) for i, text in enumerate(spm.PHI3_ADDED)]
    return tokenizer, settings(tokenizer["added_tokens"], chat_templates.PHI3, add_bos_token=False, bos_token="<s>",
                               eos_token="<|endoftext|>", unk_token="<unk>", pad_token="<|endoftext|>")


def write_sentencepiece(path: Path) -> None:
    """The tokenizer.model of mistral(): the same pieces with the scores that the package has for them."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(spm.mistral_file("v1").read_bytes())
    kept = [piece for piece in model.pieces if piece.type != 1]
    by_text = {piece.piece: piece for piece in model.pieces if piece.type == 1}
    kept += [by_text[text] for text in spm_scores()]
    pieces = [type(piece)(piece=piece.piece, score=piece.score, type=piece.type) for piece in kept]
    del model.pieces[:]
    model.pieces.extend(pieces)
    model.trainer_spec.vocab_size = len(pieces)
    path.write_bytes(model.SerializeToString())


def number(tokenizer: dict, text: str) -> int:
    """Id of a token."""
    for token in tokenizer["added_tokens"]:
        if token["content"] == text:
            return token["id"]
    return tokenizer["model"]["vocab"][text]


def size(tokenizer: dict) -> int:
    return 1 + max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])])


def save(folder: Path, tokenizer: dict, config: dict) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
