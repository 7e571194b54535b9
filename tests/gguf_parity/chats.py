"""Chats through the llama.cpp server's own chat endpoint: the template in the file, rendered and tokenised there, gives the
ids that our template and tokenizer give.

Left out is what llama.cpp is known to do otherwise: it does not compose characters (Qwen2 does, NFC), it takes away only
ASCII blanks behind Phi-3's marks, and none behind Phi-4's; it takes the text </s> for an end token wherever the
vocabulary has it, as Qwen2's has among its ordinary pieces; and it takes the text <unk> for the unknown token, which
sentencepiece does not do with a tokenizer.model, and neither do we.
"""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import tiny_models
import tiny_tokenizers
from llama_cpp import Runtime
from tiny_tokenizers import chat_templates, ranks, spm

COUNT, COUNTED = 100, 10
WORDS = ["Hi", "2+2?", "  two blanks", "a\tb", "\"quoted\" \\ text", "你好 世界", "🦙 llama", "{{ x }}", "1234567 3.14",
         "ÄÖÜ ß €", "one\n\n  - two\n    three()\n", "don't WE'LL", "<|im_end|>", "[INST]", "</s>", "<unk>", "camelCase_snake",
         "\n\n\n", "   ", "!?;:...", "<start_of_turn>"]
# Text of these has no blanks beside a mark: none at its ends, and no mark in the middle.
STRIPPED = ("phi4", "phi4-mini")


def words_for(template: chat_templates.Template, folder: Path) -> list[str]:
    absent = {"<|im_end|>"} if template.name in STRIPPED else set()
    if not template.name.startswith(("mistral", "phi3")):
        absent.add("</s>")
    if not any((folder / name).exists() for name in ("tokenizer.json", "tekken.json")):
        absent.add("<unk>")
    return [word for word in WORDS if word not in absent]


def text(rng: random.Random, template: chat_templates.Template, words: list[str]) -> str:
    made = " ".join(rng.choice(words) for _ in range(rng.randint(1, 4)))
    return made.strip() or "x" if template.name in STRIPPED else made


def conversations(template: chat_templates.Template, words: list[str], count: int) -> list[list[dict]]:
    """Questions of the quick start, and chats of one to three turns of awkward text."""
    rng = random.Random(template.name)
    chats = [[messages[0]] for messages in tiny_models.rows_of("faq_heldout.jsonl")[: count // 4]]
    while len(chats) < count:
        messages = []
        if "system" in template.roles and rng.random() < 0.5:
            messages.append({"role": "system", "content": text(rng, template, words)})
        for turn in range(rng.randint(1, 3)):
            if turn:
                messages.append({"role": "assistant", "content": text(rng, template, words)})
            messages.append({"role": "user", "content": text(rng, template, words)})
        chats.append(messages)
    return chats


def template_of(folder: Path) -> chat_templates.Template:
    jinja = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    return next(template for template in chat_templates.TEMPLATES if template.jinja == jinja)


def our_prompts(folder: Path, chats: list[list[dict]]) -> list[list[int]]:
    questions = [json.dumps({"row": json.dumps({"messages": messages}), "prompt": True}) for messages in chats]
    done = subprocess.run([os.environ["RENDER_LINES"], str(folder)], input="\n".join(questions), capture_output=True, text=True,
                          check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert all("ids" in answer for answer in answers), next(answer for answer in answers if "ids" not in answer)
    return [answer["ids"] for answer in answers]


def check(runtime: Runtime, folder: Path) -> None:
    template = template_of(folder)
    chats = conversations(template, words_for(template, folder), COUNT)
    # The date that ours prints; and no tools, as transformers says it: llama.cpp leaves the name undefined, which is not
    # none for a template that does not provide for it.
    given = {"date_string": "26 Jul 2024", "tools": None}
    more = {"chat_template_kwargs": {name: value for name, value in given.items() if name in template.jinja}}
    different = []
    for number, (messages, ours) in enumerate(zip(chats, our_prompts(folder, chats))):
        theirs = runtime.chat_prompt(messages, **more)
        if theirs != ours:
            different.append((messages, theirs, ours))
        elif number % (COUNT // COUNTED) == 0:
            counted = runtime.chat_prompt_tokens(messages, **more)
            assert counted == len(ours), (messages, counted, len(ours))
    assert not different, (f"{len(different)} of {COUNT} chats differ", different[0])
    print(f"  {template.name}: prompt ids of {COUNT} chats equal, {COUNTED} counted by the chat endpoint", flush=True)


def full_gemma() -> tuple[dict, dict]:
    return tiny_tokenizers.gemma(1 << 20)


def published(cache: Path) -> dict:
    """Name -> family, rows of the embedding, folder of a tokenizer of the size that is published, chat template."""
    templates = {template.name: template for template in chat_templates.TEMPLATES}
    return {
        "qwen2.5": ("qwen2", 151936, ranks.qwen2(cache), templates["qwen2.5"]),
        "llama3.1": ("llama", 128256, ranks.llama3(cache), templates["llama3.1"]),
        "nemo": ("mistral", 131072, ranks.tekken(cache), templates["mistral-v3-tekken"]),
        "nemo-tekken.json": ("mistral", 131072, ranks.tekken_alone(cache), templates["mistral-v3-tekken"]),
        "phi4": ("phi3", 128032, ranks.phi4(cache), templates["phi4"]),
        "phi4-mini": ("phi3", 131072, ranks.phi4_mini(cache), templates["phi4-mini"]),
        "mistral-v0.2-tokenizer.model": ("mistral", 32000, spm.mistral(cache, "v1"), templates["mistral-v0.2"]),
        "mistral-v0.3-tokenizer.model": ("mistral", 32768, spm.mistral(cache, "v3"), templates["mistral-v3"]),
        "mistral-v0.3": ("mistral", 32768, spm.folder_of(cache, "mistral-v3-first"), templates["mistral-v3"]),
        "phi3": ("phi3", 32064, spm.folder_of(cache, "phi3"), templates["phi3"]),
    }


def small(family: str) -> dict:
    """Changes that leave little of a model but its vocabulary."""
    sizes = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, head_dim=8, query_pre_attn_scalar=8)
    kept = {**tiny_models.SIZES, **tiny_models.FAMILIES[family][3]}
    return {**{key: size for key, size in sizes.items() if key in kept},
            "rope_parameters": dict(rope_type="default", rope_theta=10000.0)}


def check_published(place: Path, export) -> None:
    """`export`: (folder, encoding, path) -> path."""
    for name, (family, rows, tokenizer, template) in published(Path(os.environ["PARITY_CACHE"])).items():
        print(name, flush=True)
        assert tokenizer, "a package with vocabularies is missing"
        folder = tiny_models.make(place / name, family, changes=small(family), rows=rows)
        (folder / "tokenizer.json").unlink()
        for file in tokenizer.iterdir():
            shutil.copyfile(file, folder / file.name)
        special = {"bos_token": template.bos, "eos_token": template.eos, "chat_template": template.jinja}
        (folder / "tokenizer_config.json").write_text(json.dumps(special))
        check(Runtime(export(folder, "f16", place / f"{name}.gguf"), context=1024), folder)
    print("gemma2, 32,000 pieces", flush=True)
    folder = tiny_models.make(place / "gemma2-32k", "gemma2", full_gemma, small("gemma2"), rows=32768)
    check(Runtime(export(folder, "f16", place / "gemma2-32k.gguf"), context=1024), folder)
