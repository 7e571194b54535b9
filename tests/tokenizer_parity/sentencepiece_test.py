"""SentencePiece vocabularies: ids, decoding, streams and spans are equal to `sentencepiece` (tokenizer.model) and to
`tokenizers` (tokenizer.json in every form that the families publish)."""

import os
import sys

import sentencepiece_models as models
import texts
from parity import SentencePieceReference, TokenizersReference, compare, compare_decoding

CACHE = os.environ["PARITY_CACHE"]
MISTRAL_SPECIAL = ["<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[REFERENCE_DOC_1]", "[REF]", "<unk>", "<0x0A>"]
SPECIAL = {
    "phi3": [*models.PHI3_ADDED, "</s>", " </s> ", "<s>"],
    "gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "\n\n\n", "\u2581\u2581", "    ", "<table>", "<unused7>",
              "\t\t\t", "<0x41>"],
}


def main():
    if not models.mistral_file("v1"):
        print("mistral-common is not installed")
        return 77
    wrong = 0
    for version in models.MISTRAL:
        folder = models.mistral(CACHE, version)
        reference = SentencePieceReference(folder)
        first = version == "v1"
        lines = texts.all_texts(MISTRAL_SPECIAL, step=10 if first else 40, count=10_000, code_limit=300_000 if first else 90_000)
        wrong += compare("mistral " + version, folder, lines, reference)
        size = reference.processor.vocab_size()
        wrong += compare_decoding("mistral " + version, folder, reference, size, range(size - 31900, size - 31500))
    for name in models.TRAINED:
        folder = models.trained(CACHE, name, [line for text in texts.code(100_000) for line in text.splitlines()])
        reference = SentencePieceReference(folder)
        lines = texts.all_texts(["<tool>", "<tools>", " x ", "\n\n", "<s>", "</s>"], step=60, count=3000, code_limit=60_000)
        wrong += compare("trained " + name, folder, lines, reference)
        wrong += compare_decoding("trained " + name, folder, reference, 1500, range(0, 300))
    for form in models.FORMS:
        folder = models.folder_of(CACHE, form)
        reference = TokenizersReference(folder)
        special = SPECIAL.get(form, MISTRAL_SPECIAL)
        main_form = form in SPECIAL
        lines = texts.all_texts(special, step=10 if main_form else 40, count=10_000 if main_form else 2000)
        wrong += compare(form, folder, lines, reference)
        vocabulary = reference.tokenizer.get_vocab()
        byte_tokens = [vocabulary[f"<0x{byte:02X}>"] for byte in range(256)]
        wrong += compare_decoding(form, folder, reference, len(vocabulary), [*byte_tokens, vocabulary["\u2581"]])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
