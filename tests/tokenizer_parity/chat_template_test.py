"""Our chat templates print what transformers prints from Jinja with the published templates' behaviour.

The Jinja texts are short ones of our own that behave as the published ones do for system, user, assistant and tool messages.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from transformers import PreTrainedTokenizerFast

PROGRAM = os.environ["RENDER_LINES"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])

TURN = r"{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
PROMPT = r"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
QWEN_TOOLS = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}{{- '# Tools' }}{{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nDEFAULT<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first %}
    {%- elif message.role != 'tool' %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- else %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}{{- message.content }}{{- '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
LLAMA_TURN = r"'<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>'"
LLAMA_PROMPT = r"{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
LLAMA31 = r"""{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{#- the first system message goes into the turn below #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is defined and tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}{{- "Today Date: " + date_string + "\n\n" }}{{- system }}{{- "<|eot_id|>" }}
{%- for m in messages %}
    {{- TURN }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

QWEN25 = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
# name that we must recognise, Jinja, roles that the published template takes
TEMPLATES = [
    ("chatml", "{% for m in messages %}" + TURN + "{% endfor %}" + PROMPT, "system user assistant tool"),
    ("chatml", "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
               "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
     "system user assistant tool"),
    ("qwen2", "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
              r"{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}" + TURN + "{% endfor %}" + PROMPT,
     "system user assistant tool"),
    ("qwen2.5", QWEN_TOOLS.replace("DEFAULT", QWEN25), "system user assistant tool"),
    ("qwen2.5-base", QWEN_TOOLS.replace("DEFAULT", "You are a helpful assistant."), "system user assistant tool"),
    ("llama3", "{% for m in messages %}{% set content = " + LLAMA_TURN + " %}{% if loop.index0 == 0 %}"
               "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
               "{% if add_generation_prompt %}" + LLAMA_PROMPT + "{% endif %}", "system user assistant"),
    ("llama3.1", LLAMA31.replace("TURN", LLAMA_TURN), "system user assistant"),
    ("llama3.1", LLAMA31.replace("TURN", LLAMA_TURN).replace(
        'set date_string = "26 Jul 2024"',
        'if strftime_now_is_here is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif'),
     "system user assistant"),
]
# Templates that must not be taken for one of ours.
STRANGERS = {
    "Phi-4": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
    "own system text": "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
                       r"{{ '<|im_start|>system\nYou are a pirate.<|im_end|>\n' }}{% endif %}" + TURN + "{% endfor %}" + PROMPT,
    "Qwen2.5-Math": QWEN_TOOLS.replace("DEFAULT", "Please reason step by step."),
    "Qwen3": QWEN_TOOLS.replace("DEFAULT", QWEN25).replace("{%- if add_", "{{- '<think>' }}{%- if add_"),
    "Llama 3 untrimmed": "{% for m in messages %}{% set content = " + LLAMA_TURN.replace(" | trim", "") +
                         " %}{{ bos_token + content }}{% endfor %}" + LLAMA_PROMPT,
    "Mistral": "{{ bos_token }}{% for m in messages %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% endfor %}",
}
WORDS = ["Hi", " 2+2? ", "\n\nHello\n", "", "  ", "\u00a0\u3000x\u2028", "\x1cy\x1f", "你好", "🦙", "{{ x }}", "<|im_end|>", "a\tb"]


def conversations(roles):
    rng = random.Random(3)
    fixed = [["user"], ["system", "user"], ["user", "assistant", "user"], ["system", "user", "assistant", "user", "assistant"]]
    shapes = fixed + [[rng.choice(roles) for _ in range(rng.randint(1, 6))] for _ in range(60)]
    for shape in shapes:
        messages = [{"role": role, "content": rng.choice(WORDS) + rng.choice(WORDS)} for role in shape]
        yield {"messages": messages, "prompt": rng.random() < 0.5}


def ask(folder, questions):
    stdin = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([PROGRAM, str(folder)], input=stdin.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(name, jinja, roles, folder):
    (folder / "chat_template.jinja").write_text(jinja)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(SOURCE / "configs/models/tiny/tokenizer.json"),
                                        bos_token="<|begin_of_text|>")
    questions = list(conversations(roles.split()))
    wrong = 0
    for question, answer in zip(questions, ask(folder, questions), strict=True):
        expected = tokenizer.apply_chat_template(question["messages"], chat_template=jinja, tokenize=False,
                                                 add_generation_prompt=question["prompt"])
        if answer != {"name": name, "text": expected}:
            wrong += 1
            if wrong == 1:
                print(f"{name}: {answer}\n  expected {expected!r}")
    print(f"{name}: {len(questions)} conversations, {wrong} differences")
    return wrong


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        for name, jinja, roles in TEMPLATES:
            wrong += compare(name, jinja, roles, folder)
        for name, jinja in STRANGERS.items():
            (folder / "chat_template.jinja").write_text(jinja)
            answer = ask(folder, [{"messages": [{"role": "user", "content": "x"}], "prompt": True}])[0]
            if answer != {"error": "F040"}:
                wrong += 1
                print(f"{name}: taken for {answer}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
