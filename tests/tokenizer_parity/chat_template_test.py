"""Our chat templates print what transformers prints from Jinja, train what the assistant writes, and give the same ids.

Conversations are random and adversarial; rows come as JSON in OpenAI's shape, tools and calls included.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

import sentencepiece_models
from chat_templates import STRANGERS, TEMPLATES

PROGRAM = os.environ["RENDER_LINES"]
TINY = Path(os.environ["SLMTUNE_SOURCE"]) / "configs/models/tiny/tokenizer.json"
WORDS = ["Hi", " 2+2? ", "\n\nHello\n", "  ", "\u00a0\u3000x\u2028", "\x1cy\x1f", "你好", "🦙", "{{ x }}", "<|im_end|>", "a\tb",
         "\"quoted\" \\ text", "[INST]", "e\u0301"]
VALUES = [1, -7, 2**63, 0.1, 1e16, 1.5e-7, -0.0, 123456789.25, True, False, None, "", "Zürich \"\n\\", [], {}, [1, {"a": [2.0]}],
          {"b": {"c": "\u2028\x7f"}}, 10.0, 1e15, 1e-4]
MARKS = re.compile(r"<\|[a-z_]+\|>|</?s>|<bos>|<eos>|<(?:start|end)_of_turn>|\[/?[A-Z_]+\]")


def text(rng):
    return rng.choice(WORDS) + rng.choice(WORDS)


def function(rng):
    described = {"name": rng.choice(["weather", "größe"]), "description": "What \"it\" is.\n"}
    if rng.random() < 0.7:
        described["parameters"] = {"type": "object", "properties": {"x": {"enum": [rng.choice(VALUES)]}}, "n": rng.choice(VALUES)}
    if rng.random() < 0.3:
        described["return"] = {"type": "string"}
    return described


def call_message(rng, count):
    calls = [{"id": f"call{i:05}", "type": "function",
              "function": {"name": "weather", "arguments": {str(k): rng.choice(VALUES) for k in range(rng.randint(0, 2))}}}
             for i in range(count)]
    return {"role": "assistant", "content": rng.choice(["", text(rng)]), "tool_calls": calls}


def turns(rng, template):
    """User and assistant in turn, with calls and results in between where the template has them."""
    messages = []
    for _ in range(rng.randint(1, 3)):
        messages.append({"role": "user", "content": text(rng)})
        if template.calls and rng.random() < 0.5:
            messages.append(call_message(rng, rng.randint(1, template.calls)))
            for call in messages[-1]["tool_calls"]:
                messages.append({"role": "tool", "content": text(rng), "tool_call_id": call["id"]})
        messages.append({"role": "assistant", "content": text(rng)})
    return messages[:-1] if rng.random() < 0.5 else messages


def any_order(rng, template):
    messages = []
    for _ in range(rng.randint(1, 6)):
        role = rng.choice(template.roles.split())
        if role == "assistant" and template.calls and rng.random() < 0.5:
            messages.append(call_message(rng, rng.randint(1, template.calls)))
        else:
            messages.append({"role": role, "content": text(rng)})
    return messages


def rows(template, count):
    rng = random.Random(template.name)
    for number in range(count):
        in_turns = template.turns or number % 2
        messages = turns(rng, template) if in_turns else any_order(rng, template)
        if in_turns and "system" in template.roles and rng.random() < 0.5:
            messages.insert(0, {"role": "system", "content": text(rng)})
        row = {"messages": messages}
        first = next((m["role"] for m in messages if m["role"] != "system"), "")
        if template.calls and rng.random() < 0.4 and (in_turns or first == "user" and messages[0]["role"] == "user"):
            row["tools"] = [{"type": "function", "function": function(rng)} for _ in range(rng.randint(1, 2))]
        if template.name == "phi4-mini" and messages[0]["role"] == "system" and rng.random() < 0.5:
            messages[0]["tools"] = json.dumps([function(rng)], ensure_ascii=False)
        yield row


def as_openai(row, rng):
    """The row's line: arguments as an object or as its text, an absent or null content where calls stand."""
    row = json.loads(json.dumps(row))
    for message in row["messages"]:
        for call in message.get("tool_calls", []):
            if rng.random() < 0.5:
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        if "tool_calls" in message and message["content"] == "":
            message.pop("content") if rng.random() < 0.5 else message.update(content=None)
    return json.dumps(row, ensure_ascii=rng.random() < 0.5)


def ask(folder, questions):
    stdin = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([PROGRAM, str(folder)], input=stdin.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_tokenizer(template, folder):
    """The tiny model's vocabulary with the template's marks, and a rule that puts BOS in front of plain text."""
    tokenizer = json.loads(TINY.read_text())
    used = {token["content"] for token in tokenizer["added_tokens"]}
    next_id = max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])]) + 1
    written = set(MARKS.findall(template.jinja)) | {template.bos, template.eos, template.end}
    written |= {f"<|{role}|>" for role in template.roles.split()}
    for mark in sorted(written - used):
        tokenizer["added_tokens"].append({"id": next_id, "content": mark, "single_word": False, "lstrip": template.lstrip,
                                          "rstrip": template.rstrip, "normalized": False, "special": True})
        next_id += 1
    bos_id = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == template.bos)
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": template.bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {template.bos: {"id": template.bos, "ids": [bos_id], "tokens": [template.bos]}}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token=template.bos,
                                   eos_token=template.eos)


class Reference:
    def __init__(self, template, tokenizer):
        self.template, self.tokenizer = template, tokenizer

    def render(self, row, prompt, tokenize=False):
        return self.tokenizer.apply_chat_template(
            row["messages"], tools=row.get("tools"), chat_template=self.template.jinja, tokenize=tokenize,
            add_generation_prompt=prompt, return_dict=False, date_string="26 Jul 2024")

    def answers(self, row):
        """What follows the prompt, up to the mark that ends it, for each message of the assistant; None: no prefix."""
        texts = []
        for i, message in enumerate(row["messages"]):
            if message["role"] != "assistant":
                continue
            if i == 0:
                return None
            before = self.render({**row, "messages": row["messages"][:i]}, True)
            until = self.render({**row, "messages": row["messages"][:i + 1]}, False)
            if not until.startswith(before):
                return None
            texts.append(until[len(before):until.rindex(self.template.end) + len(self.template.end)])
        return "".join(texts)


def compare(template, folder, tokenizer, count=120):
    (folder / "chat_template.jinja").write_text(template.jinja)
    reference = Reference(template, tokenizer)
    rng = random.Random(1)
    cases = [(row, rng.random() < 0.5) for row in rows(template, count)]
    answers = ask(folder, [{"row": as_openai(row, rng), "prompt": prompt} for row, prompt in cases])
    wrong = masks = 0
    for (row, prompt), answer in zip(cases, answers, strict=True):
        expected = {"name": template.name, "text": reference.render(row, prompt),
                    "ids": reference.render(row, prompt, tokenize=True), "trained": reference.answers(row)}
        if expected["trained"] is None:
            expected["trained"] = answer.get("trained")
        else:
            masks += 1
        if answer != expected:
            wrong += 1
            if wrong == 1:
                print(f"{template.name}: {json.dumps(row)}\n  ours     {answer}\n  expected {expected}")
    print(f"{template.name}: {len(cases)} conversations, {masks} masks, {wrong} differences")
    return wrong + (masks < count / 5)


# Template, vocabulary of sentencepiece_models.py, tokenizer of mistral-common that must give the same ids.
SENTENCEPIECE = [("gemma2", "gemma", None), ("phi3", "phi3", None), ("mistral-v0.1", "llama2", None),
                 ("mistral-v1", "llama2", None), ("mistral-v3", "mistral-v3-first", "v3"),
                 ("mistral-v7", "mistral-v7-always", "v7")]


def compare_sentencepiece(folder):
    wrong = 0
    for name, form, version in SENTENCEPIECE:
        made = sentencepiece_models.folder_of(os.environ["PARITY_CACHE"], form)
        if not made:
            print("mistral_common is missing: SentencePiece vocabularies are not compared")
            return wrong
        template = next(t for t in TEMPLATES if t.name == name)
        (folder / "tokenizer.json").symlink_to(made / "tokenizer.json")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(made / "tokenizer.json"), bos_token=template.bos,
                                            eos_token=template.eos)
        print(f"{form}: ", end="")
        wrong += compare(template, folder, tokenizer, 60)
        if version:
            wrong += compare_mistral_common(template, folder, version)
        (folder / "tokenizer.json").unlink()
    return wrong


def compare_mistral_common(template, folder, version, count=40):
    """Prompts as Mistral's own package encodes them. It keeps the marks in a text apart, so there are none."""
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
    tokenizer = getattr(MistralTokenizer, version)()
    rng = random.Random(7)
    words = [word.strip() for word in WORDS if word.strip() and not MARKS.search(word)]
    cases = []
    for number in range(count):
        roles = ["system"] * (number % 2) + ["user", "assistant"] * rng.randint(0, 2) + ["user"]
        cases.append({"messages": [message(role, " ".join(rng.choices(words, k=3))) for role in roles]})
    wrong = 0
    for row, answer in zip(cases, ask(folder, [{"row": json.dumps(row), "prompt": True} for row in cases]), strict=True):
        expected = tokenizer.encode_chat_completion(ChatCompletionRequest(**row)).tokens
        if answer.get("ids") != expected:
            wrong += 1
            if wrong == 1:
                print(f"mistral-common {version}: {row}\n  ours   {answer}\n  theirs {expected}")
    print(f"{template.name}: {count} prompts of mistral-common {version}, {wrong} differences")
    return wrong


def message(role, content="x", **more):
    return {"role": role, "content": content, **more}


def refusals(template):
    """Conversations that transformers refuses too, with our code."""
    call = message("assistant", tool_calls=[{"id": "short", "function": {"name": "f", "arguments": {}}}])
    if template.turns:
        yield {"messages": [message("user"), message("user")]}, "D023"
        yield {"messages": [message("assistant"), message("user")]}, "D023"
        if "system" in template.roles:
            yield {"messages": [message("user"), message("system")]}, "D023"
        else:
            yield {"messages": [message("system"), message("user")]}, "D020"
    if template.name.startswith("mistral-v3"):
        yield {"messages": [message("user"), call]}, "D024"
        yield {"messages": [message("user"), message("tool", tool_call_id="12345678")]}, "D024"
        yield {"messages": [message("user"), message("tool")]}, "D024"
    if template.calls == 1:
        call["tool_calls"] *= 2
        yield {"messages": [message("user"), call]}, "D024"
        yield {"messages": [message("system")], "tools": [{"type": "function", "function": {"name": "f"}}]}, "D023"
    if template.name == "mistral-v7":
        yield {"messages": [message("user"), message("tool")]}, "D020"


def compare_refusals(template, folder):
    reference = Reference(template, PreTrainedTokenizerFast(tokenizer_file=str(TINY), bos_token="<s>", eos_token="</s>"))
    cases = list(refusals(template))
    wrong = 0
    for (row, code), answer in zip(cases, ask(folder, [{"row": json.dumps(row), "prompt": False} for row, _ in cases])):
        try:
            raised = f"printed {reference.render(row, False)!r}"
        except (TemplateError, ValueError):
            raised = "raised"
        if answer != {"error": code} or raised != "raised":
            wrong += 1
            print(f"{template.name}: {row}\n  ours {answer}, expected {code}; transformers {raised}")
    return wrong


def check_phi4_mini_tools(folder):
    """The template reads tools from the system message: a row's own tools go there."""
    template = next(t for t in TEMPLATES if t.name == "phi4-mini")
    (folder / "chat_template.jinja").write_text(template.jinja)
    reference = Reference(template, write_tokenizer(template, folder))
    functions = [{"name": "f", "parameters": {"x": 1.0}}, {"name": "g"}]
    tools = [{"type": "function", "function": one} for one in functions]
    wrong = 0
    for start in ([], [message("system", "Be brief.")]):
        talk = start + [message("user"), message("assistant")]
        there = [message("system", start[0]["content"] if start else "", tools=json.dumps(functions)), *talk[len(start):]]
        answer = ask(folder, [{"row": json.dumps({"messages": talk, "tools": tools}), "prompt": False}])[0]
        if answer.get("text") != reference.render({"messages": there}, False):
            wrong += 1
            print(f"phi4-mini tools: {answer}")
    return wrong


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        for template in TEMPLATES:
            wrong += compare(template, folder, write_tokenizer(template, folder))
            wrong += compare_refusals(template, folder)
        wrong += check_phi4_mini_tools(folder)
        (folder / "tokenizer.json").unlink()
        wrong += compare_sentencepiece(folder)
        for name, jinja in STRANGERS.items():
            (folder / "chat_template.jinja").write_text(jinja)
            answer = ask(folder, [{"row": json.dumps({"messages": [message("user")]}), "prompt": True}])[0]
            if answer != {"error": "F040"}:
                wrong += 1
                print(f"{name}: taken for {answer}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
