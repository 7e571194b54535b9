#!/usr/bin/env python3
"""Seeded mistakes in right recipes: all are caught before a model loads, at the right line and column, in under 200 ms,
and at least nine of ten messages give the right answer first. An editor with the schema sees those it can see.

The program runs without its engine beside it, so whatever would load a model ends with G005.

usage: recipe_mistakes_test.py [--show]     --show prints each mistake with its message
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time

import jsonschema

from recipe_mistakes import mistakes
from sandbox import FAQ, PROGRAM, SOURCE, Sandbox

sys.path.insert(0, str(SOURCE / "tests/recipes"))
import core_yaml  # noqa: E402

SEED = 20260131
COUNT = 2000 if os.environ.get("SLMTUNE_COUNTS") == "full" else 100
LIMIT = 0.2  # seconds
RIGHT_ANSWERS = 0.9


def right_recipes(box):
    texts = {path.name: path.read_text() for path in sorted((SOURCE / "recipes").rglob("*.yaml"))}
    texts["example.yaml"] = re.search(r"with every key\n\n```yaml\n(.*?)```", (SOURCE / "docs/recipe.md").read_text(), re.S).group(1)
    texts["faq_small.yaml"] = FAQ
    texts["resolved.yaml"] = box.must("train", "faq.yaml", "--print-recipe").stdout
    return texts


def run(program, box, name):
    """Exit code, stderr and seconds; a slow run is measured again, since other tests share the machine."""
    best = float("inf")
    for _ in range(4):
        start = time.monotonic()
        done = subprocess.run([program, "train", name], cwd=box.root, capture_output=True, text=True, errors="replace")
        best = min(best, time.monotonic() - start)
        if best < LIMIT / 2:
            break
    return done.returncode, done.stderr, best


def check(mistake, code, message):
    """(problem or "", whether the answer is right)"""
    where = f"{mistake.recipe}:{mistake.line}:{mistake.column}" if mistake.line else mistake.recipe
    if code != 78:
        return f"ended with {code}", False
    blocks = [block for block in message.strip().split("\n\n") if block.startswith(f"{where}: error[{mistake.code}]")]
    if not blocks:
        return f"no {mistake.code} at {where}", False
    answer = mistake.answer.replace("{file}", mistake.recipe)
    return "", any(answer in block for block in blocks)


def schema_takes(validator, text):
    try:
        return validator.is_valid(core_yaml.load(text))
    except Exception:  # a value that no schema can look at
        return False


def lone_program(box):
    """A copy of the program without the library that computes."""
    folder = box.path("alone")
    folder.mkdir()
    return shutil.copy(PROGRAM, folder / "slmtune")


def main():
    problems, rights, slowest, kinds = [], 0, (0.0, ""), collections.Counter()
    schema = json.loads((SOURCE / "docs/recipe.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    with Sandbox() as box:
        box.write_inputs()
        box.path("model").mkdir()
        program = lone_program(box)
        control, message, _ = run(program, box, "faq.yaml")
        if control != 69 or "G005" not in message:
            sys.exit(f"a right recipe must reach the engine that is not there, but ended with {control}:\n{message}")
        recipes = right_recipes(box)
        for name, text in recipes.items():
            if not schema_takes(validator, text):
                problems.append(f"the schema refuses the right recipe {name}")
        for mistake in mistakes(SEED, COUNT, recipes, schema):
            box.write(mistake.recipe, mistake.text)
            code, message, seconds = run(program, box, mistake.recipe)
            slowest = max(slowest, (seconds, mistake.kind))
            kinds[mistake.kind] += 1
            problem, is_right = check(mistake, code, message)
            rights += is_right
            if not problem and mistake.in_schema and schema_takes(validator, mistake.text):
                problem = "the schema takes it"
            if problem:
                problems.append(f"{mistake.kind} in {mistake.recipe}: {problem}; answer: {mistake.answer}\n{mistake.text}\n---\n{message}")
            if "--show" in sys.argv or not is_right:
                print(f"{'' if is_right else 'another answer: '}{mistake.kind}, wanted: {mistake.answer}\n{message}")
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    print(f"{COUNT} mistakes: {COUNT - len(problems)} caught at the right place, right answer {100 * rights / COUNT:.1f} %, "
          f"slowest {1000 * slowest[0]:.0f} ms ({slowest[1]})")
    if rights < RIGHT_ANSWERS * COUNT:
        problems.append("fewer right answers than promised")
    if slowest[0] >= LIMIT:
        problems.append("slower than promised")
    sys.exit("\n".join(problems) if problems else 0)


main()
