"""Makes model folders with SentencePiece vocabularies: Mistral's own model files, and tokenizer.json in the forms that the
families publish, made from these pieces or from Tekken's (for a vocabulary of Gemma's size).
"""

import json
import shutil
from pathlib import Path

import ranks

MARK = "\u2581"
MISTRAL = {"v1": "tokenizer.model.v1", "v2": "mistral_instruct_tokenizer_240216.model.v2",
           "v3": "mistral_instruct_tokenizer_240323.model.v3", "v7": "mistral_instruct_tokenizer_241114.model.v7"}
PHI3_ADDED = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>",
              "<|placeholder4|>", "<|system|>", "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>"]


def mistral_file(version):
    return ranks.package_file("mistral_common", "data/" + MISTRAL[version])


def mistral(cache, version):
    """Folder with Mistral's tokenizer.model and nothing else, or None when the package is missing."""
    file = mistral_file(version)
    if not file:
        return None
    folder = Path(cache) / f"mistral-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / "tokenizer.model")
    return folder


def pieces_of(file):
    """(piece, score, type) by id."""
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(file.read_bytes())
    return [(piece.piece, piece.score, piece.type) for piece in model.pieces]


def merges_of(scores):
    """Merges of pieces, by score from high to low, then by the ids of the halves."""
    ids = {piece: i for i, piece in enumerate(scores)}
    merges = [(-score, ids[piece[:i]], ids[piece[i:]], piece[:i], piece[i:]) for piece, score in scores.items()
              for i in range(1, len(piece)) if piece[:i] in scores and piece[i:] in scores]
    return [[left, right] for *_, left, right in sorted(merges)]


def added_token(i, content, special=True, **flags):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special, **flags}


def tokenizer_json(vocab, merges, added, normalizer, pre_tokenizer, strip):
    decoders = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if strip:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }


PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK},
                                               {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]}
MARK_BLANKS = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
SPLIT_BLANKS = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


def from_mistral(version, added, normalizer, pre_tokenizer, strip):
    pieces = pieces_of(mistral_file(version))
    scores = {piece: score for piece, score, kind in pieces if kind == 1}
    return tokenizer_json({piece: i for i, (piece, _, _) in enumerate(pieces)}, merges_of(scores), added, normalizer,
                          pre_tokenizer, strip)


def phi3_json():
    """Llama 2's form; the added tokens swallow the blanks after them."""
    added = [added_token(0, "<unk>"), added_token(1, "<s>"), added_token(2, "</s>", special=False, rstrip=True)]
    added += [added_token(32000 + i, content, rstrip=i > 0) for i, content in enumerate(PHI3_ADDED)]
    return from_mistral("v1", added, PREPEND, None, True)


def llama2_json():
    """As Llama 2 was first published: the special tokens are looked for in normalised text."""
    added = [added_token(i, content, normalized=True) for i, content in enumerate(["<unk>", "<s>", "</s>"])]
    return from_mistral("v1", added, PREPEND, None, True)


def mistral_json(version, scheme, split=False):
    """Saved without 'legacy': only where Metaspace says so a blank goes in front."""
    added = [added_token(i, piece, special=kind != 4) for i, (piece, _, kind) in enumerate(pieces_of(mistral_file(version)))
             if kind in (2, 3, 4)]
    return from_mistral(version, added, None, metaspace(scheme, split), scheme != "never")


def gemma_json():
    """Gemma's form over Tekken's pieces: no blank in front, runs of newlines and blanks as added tokens, tags."""
    texts = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<unused{i}>" for i in range(99)), "<start_of_turn>",
             "<end_of_turn>", *("\n" * n for n in range(2, 32)), *(MARK * n for n in range(2, 32)), "<table>", "</h1>", "\t\t"]
    added = [added_token(i, content, special=i < 107) for i, content in enumerate(texts)]
    vocab = {piece: i for i, piece in enumerate([*texts, *(f"<0x{byte:02X}>" for byte in range(256))])}
    scores = {}
    for piece, rank in ranks.read_tekken().items():
        try:
            text = piece.decode().replace(" ", MARK)
        except UnicodeDecodeError:
            continue
        if text not in vocab:
            vocab[text] = len(vocab)
            scores[text] = -rank
    for text in sorted({character for piece in scores for character in piece} - set(scores)):
        vocab[text] = len(vocab)
        scores[text] = -1e6
    return tokenizer_json(vocab, merges_of(scores), added, MARK_BLANKS, SPLIT_BLANKS, False)


# What a trainer's options change in the model file.
TRAINED = {
    "extra-blanks-go": dict(remove_extra_whitespaces=True, byte_fallback=True),
    "no-prefix": dict(add_dummy_prefix=False, remove_extra_whitespaces=False, byte_fallback=True,
                      allow_whitespace_only_pieces=True, user_defined_symbols=["<tool>", "\u2581\u2581", "\n", "\n\n", "de"]),
    "no-bytes": dict(remove_extra_whitespaces=False, byte_fallback=False, split_by_whitespace=False,
                     user_defined_symbols=["<tool>", "<tools>", " x "]),
}


def trained(cache, name, texts):
    """Folder with the tokenizer.model that sentencepiece learns from `texts` with these options."""
    import sentencepiece
    folder = Path(cache) / f"trained-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "tokenizer.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=file, model_type="bpe", vocab_size=1500, minloglevel=2,
            normalization_rule_name="identity", character_coverage=0.995, num_threads=1, **TRAINED[name])
    return folder


FORMS = {
    "phi3": phi3_json, "gemma": gemma_json, "llama2": llama2_json,
    "mistral-v3-first": lambda: mistral_json("v3", "first"), "mistral-v7-always": lambda: mistral_json("v7", "always"),
    "mistral-v3-never": lambda: mistral_json("v3", "never", True),
}


def folder_of(cache, form):
    """Folder with tokenizer.json of this form, or None when the package is missing."""
    return ranks.write_folder(Path(cache) / form, FORMS[form]) if mistral_file("v1") else None
