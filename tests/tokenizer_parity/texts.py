"""Texts on which tokenizers differ when one of them is wrong: all of Unicode, code, blanks, special tokens, noise."""

import random
import sysconfig
from pathlib import Path

FIXED = [
    "", " ", "Hello world", " Hello World!", "   Hello", "    Hello\n    Hello", "\n\n\n", "\t\n", "\n =", "' era", "33333",
    "w048 7tuijk dsdfhu", "Cửa Việt", " this is 🦙.cpp", "нещо на Български", "I'LL we'Ve it'S 'ſ 'ſt I'm’s 'D'", "don't",
    "123456789012", "１２３ Ⅻ ½ ٣٤٥ ४५६", "你好，世界！这是一个测试。", "日本語のテキスト、カタカナ。", "한국어 문장입니다", "สวัสดีชาวโลก",
    "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "👩‍👩‍👧‍👦👍🏽🇩🇪❤️‍🔥", "e\u0301 a\u0323\u0302 \u1100\u1161\u11a8 \u212b \u2126 \ufb01",
    "\u0344\u0958\u2adc\ufb1d \U0001d15e", "x\u0301\u0323y\u0323\u0301", "\u0300\u0301leading marks", "\ufeffbom", "\u0000\u0001\u001f\u007f",
    "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u200bg", " \u3000 \n\r\n x", "\r\r\n\n\t \x0b\x0c", "foo(bar)[0]->baz::qux<T>&&", "a" * 3000,
    " " * 3000 + "x", "\n" * 3000, "ab" * 2000, "=" * 500 + "\n", "中" * 1000, "!?" * 700, "é" * 999, "e\u0301" * 999,
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|><|im_start|><|endoftext|>", "<|im_start", "<|im_<|im_end|>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "<tool_call>\n{}</tool_call>",
    "<|reserved_special_token_77|> <|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", " <|im_end|> ", "e<|im_end|>\u0301", "<｜im_end｜>",
    "\u2581", "\u2581a \u2581\u2581 b", " \u2581", "a\u2581b ", "  a  b   c    d", "<0x0A><0xE4>", "[INST] Hi [/INST] Hello</s>[INST] x",
    "<s>[INST] a [/INST]", "x" * 400 + " y" * 300, " a" * 4000, "\u2581" * 900 + "b", "<|user|>\nHi<|end|>\n<|assistant|>\n",
    "<bos><start_of_turn>user\nHi<end_of_turn>\n", "HTTPServer XMLHttpRequestÉcole ǅabcǅ中AB中ab", "don'T I'Ve x'sY 'tis it'll",
    "a\u0301B\u0301\u0301 \u0301A \u0301\u0301", "//// /\n/\r\n!/\n", "𐐀𐐨𝐀𝐚ʰªº中ǅa",
    "<|object_ref_start|>x<|vision_start|><|image_pad|>", "\U0010ffff\U000e0001\ue000\ufffd\uffff", "\u11935\u11930 \U00011935\U00011930",
]


def planes(step):
    """Every code point, beside letters, marks and blanks; of the blocks of 192 every `step`-th."""
    points = [p for p in range(1, 0x110000) if not 0xD800 <= p < 0xE000]
    for begin in range(0, len(points), 192 * step):
        block = [chr(p) for p in points[begin:begin + 192]]
        yield "".join(f"{c} a{c}b1{c}\u0301" if i % 3 else c for i, c in enumerate(block))


def noise(count, special):
    """Random mixtures of pieces that interact."""
    rng = random.Random(17)
    pools = ["abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " ", "\n\r\t", " .,;:!?'\"-_/\\()[]{}<>|=+*&^%$#@~`",
             "äöüßéèñçøåłşğ", "\u0300\u0301\u0302\u0323\u0327\u0338\u20dd", "的一是不了人我在有他这为之大来以个中上们",
             "あいうえおアイウエオ", "가나다라마\u1100\u1161\u11a8", "абвгдежз", "אבגד", "ابجد\u064b\u064e", "कखग\u093c\u094d", "😀🦙👍🏽\u200d\ufe0f",
             "\u00a0\u2002\u3000\u2028\u0085", "'s't're've'll'd'M'S'RE"]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 25)):
            kind = rng.random()
            if kind < 0.08:
                parts.append(rng.choice(special))
            elif kind < 0.16:
                parts.append("".join(chr(rng.choice([rng.randrange(1, 0xD800), rng.randrange(0xE000, 0x110000)]))
                                     for _ in range(rng.randint(1, 4))))
            else:
                parts.append("".join(rng.choices(rng.choice(pools), k=rng.randint(1, 8))))
        yield "".join(parts)


def code(limit):
    """Source files of Python's own library, up to `limit` characters in all."""
    used = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        used += len(text)
        if used > limit:
            return
        yield text


def all_texts(special, step=1, count=4000, code_limit=300_000):
    """`special`: mixed into the noise; `step`: of planes(); `count`: of noise()."""
    files = (text[i:i + 700] for text in code(code_limit) for i in range(0, len(text), 700))
    return [*FIXED, *planes(step), *noise(count, special), *files]
