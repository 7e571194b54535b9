#!/usr/bin/env python3
"""docs/recipe.md and docs/recipe.schema.json are what the program says of its recipe keys, and the schema fits: it takes
every recipe of the project, the example of docs/recipe.md and what --print-recipe prints.

usage: reference_test.py [--write]     --write makes the two files anew
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jsonschema

import core_yaml

PROGRAM = os.environ["SLMTUNE"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])
FILES = {"docs/recipe.md": "recipe", "docs/recipe.schema.json": "recipe-schema"}
RECIPES = sorted((SOURCE / "recipes").rglob("*.yaml"))


def explain(*words):
    return subprocess.run([PROGRAM, "explain", *words], capture_output=True, text=True)


def example():
    return re.search(r"## Example with every key\n\n```yaml\n(.*?)```", (SOURCE / "docs/recipe.md").read_text(), re.S).group(1)


def keys(schema, above=""):
    """(dotted path, its schema) of every key; keys of list entries stand below the list."""
    for choice in schema.get("anyOf", []):
        yield from keys(choice, above)
    if "items" in schema:
        yield from keys(schema["items"], above)
    for name, value in schema.get("properties", {}).items():
        yield above + name, value
        yield from keys(value, above + name + ".")


class Reference(unittest.TestCase):
    def setUp(self):
        self.schema = json.loads((SOURCE / "docs/recipe.schema.json").read_text())
        self.validator = jsonschema.Draft7Validator(self.schema)

    def assert_valid(self, text, name):
        errors = [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in self.validator.iter_errors(core_yaml.load(text))]
        self.assertEqual(errors, [], name)

    def test_the_committed_files_are_those_of_the_program(self):
        for name, topic in FILES.items():
            self.assertEqual((SOURCE / name).read_text(), explain(topic).stdout, f"{name}: run {Path(__file__).name} with --write")

    def test_the_schema_is_one(self):
        jsonschema.Draft7Validator.check_schema(self.schema)

    def test_the_schema_takes_every_recipe_of_the_project(self):
        for path in RECIPES:
            self.assert_valid(path.read_text(), path.name)

    def test_every_recipe_names_the_schema_for_editors(self):
        for path in RECIPES:
            line = path.read_text().splitlines()[0]
            self.assertTrue(line.startswith("# yaml-language-server: $schema="), f"{path.name}: {line}")
            self.assertEqual((path.parent / line.split("=")[1]).resolve(), SOURCE / "docs/recipe.schema.json")

    def test_the_example_is_taken_by_schema_and_program_and_has_every_key(self):
        text = example()
        self.assert_valid(text, "the example")
        for path, _ in keys(self.schema):
            self.assertRegex(text, rf"(?m)(^ *(# |- \{{)?|[{{ ]){path.split('.')[-1]}:", path)
        with tempfile.TemporaryDirectory() as folder:
            for name in re.findall(r"path: ([\w./-]+)", text):
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / name).touch()
            (Path(folder) / "example.yaml").write_text(text)
            done = subprocess.run([PROGRAM, "train", "example.yaml", "--print-recipe"], cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_valid(done.stdout, "the resolved example")

    def test_every_key_is_explained(self):
        for path, _ in keys(self.schema):
            done = explain(path)
            self.assertEqual((done.returncode, done.stdout.split(": ")[0]), (0, path), done.stderr)
        known = json.loads(explain("lora.rank", "--json").stdout)
        self.assertEqual((known["key"], known["takes"], known["default"]), ("lora.rank", "from 1 to 1024", "16"))

    def test_a_key_that_is_not_there_is_answered_with_the_nearest(self):
        for asked, wanted in (("lora.rnak", "lora.rank"), ("rank", "lora.rank"), ("data.max_tokns", "data.max_tokens"), ("recip", "recipe")):
            done = explain(asked)
            self.assertEqual(done.returncode, 64)
            self.assertIn(f"error[U007]: no such error code or recipe key: '{asked}'\nhelp: did you mean '{wanted}'?", done.stderr)

    def test_defaults_are_in_range_and_words(self):
        for path, schema in keys(self.schema):
            default = re.search(r"\nDefault: (.+)$", schema.get("description", ""))
            if default and default.group(1) not in ("runs/<name>", "[]"):
                value = core_yaml.load(default.group(1))
                self.assertTrue(jsonschema.Draft7Validator(schema).is_valid(value), f"{path}: {value}")


def main():
    if sys.argv[1:] == ["--write"]:
        for name, topic in FILES.items():
            (SOURCE / name).write_text(explain(topic).stdout)
        return
    unittest.main()


if __name__ == "__main__":
    main()
