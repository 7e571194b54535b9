"""Jinja texts that behave as the published chat templates do, written for these tests, and what each takes."""
from dataclasses import dataclass

CHATML_TURN = r"{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
CHATML_PROMPT = r"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
CHATML = "{% for m in messages %}" + CHATML_TURN + "{% endfor %}" + CHATML_PROMPT
CHATML_LINES = r"""
{%- for m in messages %}
    {{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
QWEN2 = ("{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
         r"{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}" + CHATML_TURN + "{% endfor %}" +
         CHATML_PROMPT)
QWEN25 = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content }}{%- else %}{{- 'DEFAULT' }}{%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" }}
    {{- "You are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments " }}
    {{- 'within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}' }}
    {{- "\n</tool_call><|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nDEFAULT<|im_end|>\n' }}
{%- endif %}
{%- for m in messages %}
    {%- if m.role == 'system' and loop.first %}
    {%- elif m.role == 'assistant' and m.tool_calls %}
        {{- '<|im_start|>' + m.role }}
        {%- if m.content %}{{- '\n' + m.content }}{%- endif %}
        {%- for call in m.tool_calls %}
            {{- '\n<tool_call>\n{"name": "' }}{{- call.function.name }}
            {{- '", "arguments": ' }}{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif m.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' }}{{- m.content }}{{- '\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- else %}
        {{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
"""
QWEN25_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

LLAMA_TURN = r"'<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>'"
LLAMA_PROMPT = r"{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
LLAMA3 = ("{% for m in messages %}{% set content = " + LLAMA_TURN + " %}{% if loop.index0 == 0 %}"
          "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
          "{% if add_generation_prompt %}" + LLAMA_PROMPT + "{% endif %}")
LLAMA31 = r"""{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{#- the first system message goes into the turn below #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
{%- else %}
    {%- set system = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}{{- "Today Date: " + date_string + "\n\n" }}{{- system }}{{- "<|eot_id|>" }}
{%- if tools is not none %}
    {%- if messages | length == 0 %}{{- raise_exception("no first user message") }}{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- "Given the following functions, please respond with a JSON for a function call " }}
    {{- "with its proper arguments that best answers the given prompt.\n\n" }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}
    {{- "Do not use variables.\n\n" }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
    {{- messages[0]['content']|trim + "<|eot_id|>" }}
    {%- set messages = messages[1:] %}
{%- endif %}
{%- for m in messages %}
    {%- if 'tool_calls' in m %}
        {%- if m.tool_calls|length != 1 %}{{- raise_exception("one call at a time") }}{%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + call.name + '", ' }}{{- '"parameters": ' }}{{- call.arguments | tojson }}{{- "}" }}
        {%- if builtin_tools is defined %}{{- "<|eom_id|>" }}{%- else %}{{- "<|eot_id|>" }}{%- endif %}
    {%- elif m.role == 'tool' or m.role == 'ipython' %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if m.content is mapping or m.content is iterable %}{{- m.content | tojson }}{%- else %}{{- m.content }}{%- endif %}
        {{- "<|eot_id|>" }}
    {%- else %}
        {{- TURN }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
""".replace("TURN", LLAMA_TURN)
LLAMA32 = LLAMA31.replace('{%- set date_string = "26 Jul 2024" %}',
                          '{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}'
                          '{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}')

TAKE_TURNS = ("{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}")
GEMMA2 = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
          "{% for m in messages %}" + TAKE_TURNS +
          "{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}"
          r"{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
          r"{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}")

MISTRAL_V01 = ("{{ bos_token }}{% for m in messages %}" + TAKE_TURNS +
               "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
               "{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token + ' ' }}"
               "{% else %}{{ raise_exception('user and assistant only') }}{% endif %}{% endfor %}")
MISTRAL_V02 = MISTRAL_V01.replace(" + ' ' }}", " }}")
MISTRAL_V1 = r"""
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{{- bos_token }}
{%- for m in rest %}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('take turns') }}{%- endif %}
    {%- if m['role'] == 'user' and loop.first and system is defined %}
        {{- ' [INST] ' + system + '\n\n' + m['content'] + ' [/INST]' }}
    {%- elif m['role'] == 'user' %}
        {{- ' [INST] ' + m['content'] + ' [/INST]' }}
    {%- elif m['role'] == 'assistant' %}
        {{- ' ' + m['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('user and assistant only') }}
    {%- endif %}
{%- endfor %}
"""
MISTRAL_V3 = r"""
{%- if messages[0].role == "system" %}
    {%- set system = messages[0].content %}{%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{%- set questions = rest | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for m in rest %}
    {%- if m.role != "tool" and not (m.tool_calls is defined and m.tool_calls is not none) %}
        {%- if (m.role == "user") != (ns.index % 2 == 0) %}{{- raise_exception("take turns") }}{%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for m in rest %}
    {%- if m.role == "user" %}
        {%- if tools is not none and m == questions[-1] %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, value in tool.function.items() if key != "return" %}
                    {%- if value is string %}{{- '"' + key + '": "' + value + '"' }}
                    {%- else %}{{- '"' + key + '": ' + value | tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if loop.last %}{{- "]" }}{%- else %}{{- ", " }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system is defined %}
            {{- "[INST] " + system + "\n\n" + m.content + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + m.content + "[/INST]" }}
        {%- endif %}
    {%- elif m.tool_calls is defined and m.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for call in m.tool_calls %}
            {%- set out = call.function | tojson %}
            {{- out[:-1] }}
            {%- if not call.id is defined or call.id | length != 9 %}{{- raise_exception("nine characters") }}{%- endif %}
            {{- ', "id": "' + call.id + '"}' }}
            {%- if loop.last %}{{- "]" + eos_token }}{%- else %}{{- ", " }}{%- endif %}
        {%- endfor %}
    {%- elif m.role == "assistant" %}
        {{- " " + m.content | trim + eos_token }}
    {%- elif m.role == "tool" %}
        {{- '[TOOL_RESULTS] {"content": ' + m.content | string + ", " }}
        {%- if not m.tool_call_id is defined or m.tool_call_id | length != 9 %}{{- raise_exception("nine characters") }}{%- endif %}
        {{- '"call_id": "' + m.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("user and assistant only") }}
    {%- endif %}
{%- endfor %}
"""
MISTRAL_V3_TEKKEN = (MISTRAL_V3.replace("] [\"", "][\"").replace("[INST] ", "[INST]").replace("S] {", "S]{")
                     .replace('" " + m.content | trim', "m.content"))
MISTRAL_V7 = ("{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
              "{% elif m['role'] == 'system' %}{{ '[SYSTEM_PROMPT] ' + m['content'] + '[/SYSTEM_PROMPT]' }}"
              "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}"
              "{% else %}{{ raise_exception('unknown role') }}{% endif %}{% endfor %}")

PHI_END = r"{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
PHI3 = ("{% for m in messages %}" + "".join(
    "{% " + branch + " m['role'] == '" + role + "' %}{{ '<|" + role + r"|>\n' + m['content'] + '<|end|>\n' }}"
    for branch, role in (("if", "system"), ("elif", "user"), ("elif", "assistant"))) + "{% endif %}{% endfor %}" + PHI_END)
PHI35 = PHI3.replace("== 'system' %}", "== 'system' and m['content'] %}")
PHI4_PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
PHI4 = ("{% for m in messages %}" + "".join(
    "{% " + branch + " (m['role'] == '" + role + "') %}{{ '<|im_start|>" + role + "<|im_sep|>' + m['content'] + '<|im_end|>' }}"
    for branch, role in (("if", "system"), ("elif", "user"), ("elif", "assistant"))) + "{% endif %}{% endfor %}" + PHI4_PROMPT)
PHI4_MINI = ("{% for m in messages %}{% if m['role'] == 'system' and 'tools' in m and m['tools'] is not none %}"
             "{{ '<|' + m['role'] + '|>' + m['content'] + '<|tool|>' + m['tools'] + '<|/tool|>' + '<|end|>' }}"
             "{% else %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endif %}{% endfor %}" +
             PHI_END.replace(r"\n", ""))


@dataclass
class Template:
    name: str
    jinja: str
    end: str = "<|im_end|>"
    roles: str = "system user assistant"  # in any order, if `turns` is false
    turns: bool = False                   # user and assistant in turn, a system text in front of them if it is a role
    calls: int = 0                        # tool calls that one message may have
    bos: str = "<s>"
    eos: str = "</s>"
    rstrip: bool = False                  # the tokenizer's marks swallow the blanks behind them
    lstrip: bool = False


LLAMA_BOS = {"bos": "<|begin_of_text|>", "eos": "<|eot_id|>", "end": "<|eot_id|>"}
PHI_EOS = {"eos": "<|endoftext|>", "end": "<|end|>", "rstrip": True}
TEMPLATES = [
    Template("chatml", CHATML, roles="system user assistant tool"),
    Template("chatml", CHATML_LINES, roles="system user assistant tool"),
    Template("qwen2", QWEN2, roles="system user assistant tool"),
    Template("qwen2.5", QWEN25.replace("DEFAULT", QWEN25_SYSTEM), roles="system user assistant tool", calls=3),
    Template("qwen2.5-base", QWEN25.replace("DEFAULT", "You are a helpful assistant."), roles="system user assistant tool",
             calls=3),
    Template("llama3", LLAMA3, **LLAMA_BOS),
    Template("llama3.1", LLAMA31, roles="system user assistant tool", calls=1, **LLAMA_BOS),
    Template("llama3.2", LLAMA32, roles="system user assistant tool", calls=1, **LLAMA_BOS),
    Template("gemma2", GEMMA2, roles="user assistant", turns=True, bos="<bos>", eos="<eos>", end="<end_of_turn>"),
    Template("mistral-v0.1", MISTRAL_V01, roles="user assistant", turns=True, end="</s>"),
    Template("mistral-v0.2", MISTRAL_V02, roles="user assistant", turns=True, end="</s>"),
    Template("mistral-v1", MISTRAL_V1, turns=True, end="</s>"),
    Template("mistral-v3", MISTRAL_V3, turns=True, calls=3, end="</s>"),
    Template("mistral-v3-tekken", MISTRAL_V3_TEKKEN, turns=True, calls=3, end="</s>"),
    Template("mistral-v7", MISTRAL_V7, end="</s>"),
    Template("phi3", PHI3, **PHI_EOS),
    Template("phi3.5", PHI35, **PHI_EOS),
    Template("phi4", PHI4, rstrip=True, lstrip=True),
    Template("phi4-mini", PHI4_MINI, roles="system user assistant tool", **PHI_EOS),
]

# Texts that must not be taken for one of ours.
STRANGERS = {
    "Phi-4, first text": PHI4.replace("<|im_end|>' }}{% elif (m['role'] == 'assistant') %}{{ '<|im_start|>assistant<|im_sep|>' + ",
                                      "<|im_end|><|im_start|>assistant<|im_sep|>' }}{% elif (m['role'] == 'assistant') %}{{ ")
                             .replace(PHI4_PROMPT, ""),
    "own system text": QWEN2.replace("You are a helpful assistant.", "You are a pirate."),
    "Qwen2.5-Math": QWEN25.replace("DEFAULT", "Please reason step by step."),
    "Qwen2.5, other tools": QWEN25.replace("DEFAULT", QWEN25_SYSTEM).replace("one or more functions", "functions"),
    "Qwen3": QWEN25.replace("DEFAULT", QWEN25_SYSTEM).replace("{%- if add_", "{{- '<think>' }}{%- if add_"),
    "Llama 3 untrimmed": LLAMA3.replace(" | trim", ""),
    "Llama 3.1, other calls": LLAMA31.replace("parameters", "arguments"),
    "Llama 2": MISTRAL_V02.replace("[INST] ' + m['content']", "[INST] ' + m['content'].strip()"),
    "Gemma 3": GEMMA2.replace("'no system role'", "'x'").replace("{{ '<start_of_turn>'", "{{ system }}{{ '\\n\\n<start_of_turn>'"),
    "Gemma untrimmed": GEMMA2.replace(" | trim", ""),
    "Mistral v3, system first": MISTRAL_V3.replace("loop.last and system", "loop.first and system"),
    "Mistral v7, other blanks": MISTRAL_V7.replace("[INST] ", "[INST]"),
    "Phi-3-small": "{{ bos_token }}" + PHI3,
    "Phi-3 without an end": PHI3.replace("{% else %}{{ eos_token }}", ""),
    "Phi-4-mini, other calls": PHI4_MINI.replace("<|tool|>", "<|tools|>"),
}
