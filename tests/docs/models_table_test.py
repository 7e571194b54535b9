#!/usr/bin/env python3
"""The README's table of models says what the facts files in configs/models say, and `slmtune inspect` reads those.

usage: models_table_test.py [--write]     --write puts the table into README.md
"""
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

SOURCE = Path(os.environ.get("SLMTUNE_SOURCE", Path(__file__).parents[2]))
BEGIN, END = "<!-- models: made by tests/docs/models_table_test.py --write -->\n", "<!-- end of models -->\n"
FAMILIES = ["Qwen2ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "Gemma2ForCausalLM", "Phi3ForCausalLM"]
COMMERCIAL = {"yes": "", "conditions": " (with conditions)", "no": " (**no commercial use**)"}


def facts_files():
    """Facts of published models by file, family by family, small ones first."""
    all_facts = {path: yaml.safe_load(path.read_text()) for path in (SOURCE / "configs/models").glob("*.yaml")}
    published = {path: facts for path, facts in all_facts.items() if facts.get("repository")}
    order = lambda item: (FAMILIES.index(item[1]["architecture"]), item[1]["parameters"], item[1]["name"])
    return sorted(published.items(), key=order)


def context(tokens):
    return f"{tokens // 1024}k"


def row(path, facts):
    # YAML reads a bare yes and no as true and false.
    commercial = {True: "yes", False: "no"}.get(facts["commercial_use"], facts["commercial_use"])
    return (f"| [{facts['repository'].split('/')[1]}](configs/models/{path.name}) | {facts['parameters'] / 1e9:.2f} B | "
            f"{context(facts['max_position_embeddings'])} | {facts['licence']}{COMMERCIAL[commercial]} | {facts['chinese']} | "
            f"`{facts['template']}` | {facts['use']} |\n")


def table():
    head = "| model | parameters | context | licence | Chinese | chat template | good for |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(row(path, facts) for path, facts in facts_files())


def check_inspect():
    """One file through the program; tests/models/facts_test.cpp reads them all."""
    path = SOURCE / "configs/models/gemma2-2b.yaml"
    done = subprocess.run([os.environ["SLMTUNE"], "inspect", str(path), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        return f"inspect {path.name}: {done.stderr}"
    shown = json.loads(done.stdout)
    expected = {"kind": "facts", "name": "gemma2-2b", "parameters": 2614341888, "template": "gemma2", "licence": "gemma"}
    wrong = {key: shown.get(key) for key, value in expected.items() if shown.get(key) != value}
    return f"inspect {path.name}: {wrong}" if wrong else ""


def main():
    readme = SOURCE / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    found, after = rest.split(END)
    if sys.argv[1:] == ["--write"]:
        readme.write_text(before + BEGIN + table() + END + after)
        return 0
    failures = [check_inspect()]
    if found != table():
        failures.append("README.md: the table of models is not that of configs/models; run this file with --write")
    failures = [failure for failure in failures if failure]
    print("\n".join(failures) if failures else f"{len(facts_files())} models in README.md")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
