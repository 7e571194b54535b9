#!/usr/bin/env python3
"""Write the tiny model's tokenizer: configs/models/tiny/tokenizer.json and tokenizer_config.json.

    python3 scripts/make_tiny_tokenizer.py [--data recipes/quickstart/data] [--out configs/models/tiny]

Needs the package `tokenizers`. A byte-level BPE with the split of Qwen2, learned from the
base model's rows only: like a real base model's, it was made before anybody thought of the company.
The files are committed.
"""

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCABULARY = 2048  # including the special tokens
TRAINED_ON = ("base_text.jsonl", "base_chat.jsonl")
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
               r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = ("{% for message in messages %}"
                 "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
                 "{% endfor %}"
                 "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def training_texts(folder: Path) -> list[str]:
    texts = []
    for name in TRAINED_ON:
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "text" in row:
                texts.append(row["text"])
            else:
                texts += [message["role"] + "\n" + message["content"] for message in row["messages"]]
    return texts


def build(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    special = [AddedToken(text, special=True, normalized=False) for text in (END_OF_TEXT, TURN_START, TURN_END)]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the tiny model's tokenizer.")
    parser.add_argument("--data", type=Path, default=Path("recipes/quickstart/data"), help="folder of the rows (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("configs/models/tiny"), help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    tokenizer = build(training_texts(arguments.data))
    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    ids = {text: tokenizer.token_to_id(text) for text in (END_OF_TEXT, TURN_START, TURN_END)}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": {
            str(token): {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            for text, token in ids.items()
        },
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": TURN_END,
        "model_max_length": 1024,
        "pad_token": END_OF_TEXT,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    (arguments.out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(f"{arguments.out}: {tokenizer.get_vocab_size()} tokens, {ids}")


if __name__ == "__main__":
    main()
