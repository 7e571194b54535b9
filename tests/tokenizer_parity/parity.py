"""Asks the program encode_lines and compares its answers with a reference tokenizer."""

import json
import os
import random
import subprocess
import sys

PROGRAM = os.environ["ENCODE_LINES"]


def ask(folder, lines, *flags):
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([PROGRAM, str(folder), *flags], input=stdin.encode(), capture_output=True)
    if done.returncode != 0:
        sys.exit(f"encode_lines failed: {done.stderr.decode()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def shortest_difference(ours, theirs, text):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"{text[:60]!r}: from token {at}: ours {ours[at:at + 6]}, theirs {theirs[at:at + 6]}"


def report(name, what, count, wrong):
    for line in wrong[:10]:
        print(f"{name}: {line}")
    print(f"{name}: {count} {what}, {len(wrong)} differences", flush=True)
    return len(wrong)


def decoding_errors(ids, answer, reference):
    """Names of what differs in the text of `ids`. Without special tokens among them there is one text to compare."""
    texts = {"text": (answer["text"], False)}
    if not reference.special.isdisjoint(ids):
        texts["plain text"] = (answer.get("plain", answer["text"]), True)
    elif "plain" in answer:
        yield "plain text"
    for name, (ours, skip) in texts.items():
        theirs = reference.decode(ids, skip)
        if theirs is not None and ours != theirs:
            yield f"{name} (ours {ours[:40]!r}, theirs {theirs[:40]!r})"
    if not answer["stream"]:
        yield "stream"


def compare(name, folder, lines, reference):
    """Ids, text with and without special tokens, stream and spans of every line; returns the number of differences.

    `reference` has encode(text), the ids of special tokens in `special`, and decode(ids, skip_special), which answers None
    where it has no word for it.
    """
    wrong = []
    for text, answer in zip(lines, ask(folder, lines), strict=True):
        ids = reference.encode(text)
        if answer["ids"] != ids:
            wrong.append("ids of " + shortest_difference(answer["ids"], ids, text))
            continue
        wrong += [f"{what} of {text[:60]!r}" for what in decoding_errors(ids, answer, reference)]
        if not answer["spans"]:
            wrong.append(f"spans of {text[:60]!r}")
    return report(name, "texts", len(lines), wrong)


def compare_decoding(name, folder, reference, size, prefer, count=800):
    """The text of random ids, which need not be whole characters; every other id is one of `prefer`."""
    rng = random.Random(23)
    lists = [[rng.choice(prefer) if rng.random() < 0.5 else rng.randrange(size) for _ in range(rng.randint(1, 12))]
             for _ in range(count)]
    wrong = []
    for ids, answer in zip(lists, ask(folder, lists, "--decode"), strict=True):
        wrong += [f"{what} of ids {ids}" for what in decoding_errors(ids, answer, reference)]
    return report(name, "lists of ids", len(lists), wrong)


class TokenizersReference:
    """The `tokenizers` package on the same tokenizer.json."""

    def __init__(self, folder):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.special = {i for i, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}
        # It decodes such tokens to their normalised text and then does not know them as special.
        self.changed = {i for i, token in self.tokenizer.get_added_tokens_decoder().items()
                        if self.tokenizer.id_to_token(i) != token.content}

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids, skip_special):
        if self.changed.intersection(ids):
            return None
        return self.tokenizer.decode(ids, skip_special_tokens=skip_special)


class SentencePieceReference:
    """The `sentencepiece` package on each stretch of text between control pieces, as mistral-common uses it."""

    def __init__(self, folder):
        import re
        import sentencepiece
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        size = self.processor.vocab_size()
        self.control = {self.processor.id_to_piece(i): i for i in range(size) if self.processor.is_control(i)}
        self.special = set(self.control.values())
        self.pattern = re.compile("|".join(re.escape(piece) for piece in sorted(self.control, key=len, reverse=True)))

    def encode(self, text):
        ids, at = [], 0
        for match in self.pattern.finditer(text):
            ids += self.processor.encode(text[at:match.start()]) + [self.control[match.group()]]
            at = match.end()
        return ids + self.processor.encode(text[at:])

    def decode(self, ids, skip_special):
        if not skip_special and not self.special.isdisjoint(ids):
            return None
        return self.processor.decode(ids)
