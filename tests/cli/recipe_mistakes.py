"""Mistakes put into right recipes at random, each with the place and the answer that it must get.

    for mistake in mistakes(seed, count, {"faq.yaml": text, ...}, schema): ...
"""
import dataclasses
import random
import re
import string

import yaml

# Words of other tools for our keys.
FOREIGN = {
    "model.path": ["model_name_or_path", "base_model"], "model.dtype": ["torch_dtype", "bf16", "precision"],
    "method": ["finetuning_type", "training_type", "adapter"], "objective": ["stage", "rl"],
    "lora.rank": ["lora_r", "lora_rank", "r"], "lora.alpha": ["lora_alpha"], "lora.dropout": ["lora_dropout"],
    "lora.targets": ["target_modules", "lora_target", "lora_target_modules"],
    "data.train": ["dataset", "datasets", "train_file"], "data.valid": ["eval_dataset", "test_datasets"],
    "data.max_tokens": ["cutoff_len", "sequence_len", "max_seq_length", "max_length"], "data.pack": ["packing", "sample_packing"],
    "train.batch_rows": ["per_device_train_batch_size", "batch_size", "gradient_accumulation_steps"],
    "train.micro_batch_tokens": ["micro_batch_size"], "train.learning_rate": ["lr"],
    "train.epochs": ["num_train_epochs", "num_epochs"], "train.schedule": ["lr_scheduler_type", "lr_scheduler"],
    "train.warmup": ["warmup_ratio", "warmup_steps"], "train.optimizer": ["optim"], "train.clip_norm": ["max_grad_norm"],
    "train.save_minutes": ["save_steps", "save_every"], "eval.every": ["eval_steps", "evals_per_epoch"],
    "store": ["output_dir", "out_dir"], "name": ["run_name"],
}


@dataclasses.dataclass
class Mistake:
    kind: str
    recipe: str            # name of the right recipe
    text: str | bytes      # with the mistake
    code: str
    line: int              # counted from 1, 0 = the file as a whole
    column: int
    answer: str            # what the message must say: the suggestion, the range, the other place
    in_schema: bool = False  # an editor with the schema sees it too
    fields: tuple = ()


@dataclasses.dataclass
class Entry:
    path: str              # "data.train[0].path"
    key: yaml.Node
    value: yaml.Node
    flow: bool             # the section is written in braces
    section: yaml.Node
    depth: int


def place(text, index):
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


class Recipe:
    def __init__(self, name, text, schema):
        self.name, self.text, self.schema = name, text, schema
        self.entries = []
        self._walk(yaml.compose(text, yaml.SafeLoader), "", 1)

    def _walk(self, node, path, depth):
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = f"{path}.{key.value}" if path else key.value
                self.entries.append(Entry(below, key, value, bool(node.flow_style), node, depth))
                self._walk(value, below, depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._walk(item, f"{path}[{number}]", depth + 1)

    def replaced(self, node, text):
        start, end = node.start_mark.index, node.end_mark.index
        return self.text[:start] + text + self.text[end:]

    def at(self, path):
        return next((entry for entry in self.entries if entry.path == path), None)

    def facts(self, path):
        """The schema of a key, lists and null left out."""
        node = self.schema
        for part in re.sub(r"\[\d+\]", "", path).split("."):
            node = next((form["properties"][part] for form in forms(node) if part in form.get("properties", {})), None)
            if node is None:
                return None
        return node


def forms(schema):
    """The alternatives of a schema, items of lists among them."""
    for form in schema.get("anyOf", [schema]):
        yield form
        if "items" in form:
            yield from forms(form["items"])


def number_form(facts):
    return next((form for form in forms(facts) if form.get("type") in ("integer", "number")), None)


def words_of(facts):
    return next((form["enum"] for form in forms(facts) if "enum" in form), None)


def is_scalar(entry):
    return isinstance(entry.value, yaml.ScalarNode) and entry.value.value not in ("", "null")


def edited(chance, word, edits):
    """`word` after so many single edits."""
    letters = string.ascii_lowercase + "_"
    for _ in range(edits):
        i = chance.randrange(len(word))
        kind = chance.choice("isdt")
        if kind == "i":
            word = word[:i] + chance.choice(letters) + word[i:]
        elif kind == "s":
            word = word[:i] + chance.choice(letters) + word[i + 1:]
        elif kind == "d" and len(word) > 2:
            word = word[:i] + word[i + 1:]
        elif i + 1 < len(word):
            word = word[:i] + word[i + 1] + word[i] + word[i + 2:]
    return word


class Maker:
    def __init__(self, chance, recipes, schema):
        self.chance, self.schema = chance, schema
        self.recipes = [Recipe(name, text, schema) for name, text in recipes.items()]
        self.known = {name for recipe in self.recipes for name in key_names(schema)}

    def pick(self, wanted):
        """A recipe and one of its entries for which `wanted(recipe, entry)` holds."""
        recipe = self.chance.choice(self.recipes)
        found = [entry for entry in recipe.entries if wanted(recipe, entry)]
        return (recipe, self.chance.choice(found)) if found else self.pick(wanted)

    def at_key(self, kind, recipe, entry, text, code, answer, **more):
        return Mistake(kind, recipe.name, text, code, *place(recipe.text, entry.key.start_mark.index), answer, **more)

    def at_value(self, kind, recipe, entry, text, code, answer, **more):
        return Mistake(kind, recipe.name, text, code, *place(recipe.text, entry.value.start_mark.index), answer, **more)

    def mistyped_key(self):
        recipe, entry = self.pick(lambda recipe, entry: True)
        name = entry.key.value
        wrong = edited(self.chance, name, 1 if len(name) < 6 else self.chance.choice([1, 2]))
        if wrong in self.known or wrong == name or any(wrong in words for words in FOREIGN.values()):
            return self.mistyped_key()
        return self.at_key("mistyped key", recipe, entry, recipe.replaced(entry.key, wrong), "R012", f"did you mean '{entry.path}'", in_schema=True)

    def foreign_key(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path in FOREIGN)
        wrong = self.chance.choice(FOREIGN[entry.path])
        return self.at_key("word of another tool", recipe, entry, recipe.replaced(entry.key, wrong), "R012", f"did you mean '{entry.path}'", in_schema=True)

    def wrong_type(self):
        recipe, entry = self.pick(lambda recipe, entry: recipe.facts(entry.path) and (is_scalar(entry) or getattr(entry.value, "flow_style", False)))
        facts = recipe.facts(entry.path)
        kinds = {form.get("type") if isinstance(form.get("type"), str) else "text" for form in facts.get("anyOf", [facts])}
        if number_form(facts):
            wrong = self.chance.choice(["many", "[1]", "{a: 1}", "1.5.2", "0x10", "1_000"])
        elif "boolean" in kinds:
            wrong = self.chance.choice(["1", "[true]", "maybe"])
        elif "array" in kinds and "object" not in kinds and "text" not in kinds:
            wrong = self.chance.choice(["loss", "{a: 1}"])
        elif "object" in kinds and "text" not in kinds:
            wrong = self.chance.choice(["5", "yes"])
        elif words_of(facts) or "array" not in kinds and "object" not in kinds:
            wrong = "[a, b]"
        else:
            return self.wrong_type()
        return self.at_value("wrong type", recipe, entry, recipe.replaced(entry.value, wrong), "R003", f"'{entry.path}' must be ", in_schema=True)

    def quoted_number(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and recipe.facts(entry.path) and number_form(recipe.facts(entry.path))
                                  and entry.value.value != "auto")
        return self.at_value("number in quotes", recipe, entry, recipe.replaced(entry.value, f"'{entry.value.value}'"), "R003", "help: remove the quotes", in_schema=True)

    def wrong_section(self):
        names = [name for name in key_names(self.schema)]
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and "." in entry.path and "[" not in entry.path
                                  and names.count(entry.key.value) == 1)
        line = f"{entry.key.value}: {recipe.text[entry.value.start_mark.index:entry.value.end_mark.index]}"
        targets = [None] + [other for other in recipe.entries if isinstance(other.value, yaml.MappingNode) and other.value.flow_style
                            and other.depth == 1 and not entry.path.startswith(other.path + ".")]
        target = self.chance.choice(targets)
        if target is None:
            text = recipe.text.rstrip("\n") + "\n" + line + "\n"
            where = place(text, len(recipe.text.rstrip("\n")) + 1)
        else:
            start = target.value.start_mark.index + 1
            text = recipe.text[:start] + line + ", " + recipe.text[start:]
            where = place(text, start)
        return Mistake("wrong section", recipe.name, text, "R012", *where, f"did you mean '{entry.path}'", in_schema=True)

    def bad_range(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and recipe.facts(entry.path) and number_form(recipe.facts(entry.path)))
        form = number_form(recipe.facts(entry.path))
        low, high = form.get("minimum"), form.get("maximum")
        open_low, open_high = form.get("exclusiveMinimum"), form.get("exclusiveMaximum")
        below = [str(open_low)] if open_low is not None else [] if low is None else [str(low - 1), str(low - 1000)]
        above = [str(open_high)] if open_high is not None else [] if high is None else [str(high + 1), str(high * 10)]
        wrong = self.chance.choice(below + above)
        return self.at_value("out of range", recipe, entry, recipe.replaced(entry.value, wrong), "R004", f"'{entry.path}' must be ", in_schema=True)

    def bad_word(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and recipe.facts(entry.path) and words_of(recipe.facts(entry.path))
                                  and entry.value.value in words_of(recipe.facts(entry.path)) and len(entry.value.value) > 3)
        wrong = edited(self.chance, entry.value.value, 1)
        if wrong in words_of(recipe.facts(entry.path)):
            return self.bad_word()
        code = "R003" if number_form(recipe.facts(entry.path)) else "R005"
        return self.at_value("mistyped word", recipe, entry, recipe.replaced(entry.value, wrong), code, f"did you mean '{entry.value.value}'", in_schema=True)

    def flag_word(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "data.pack")
        wrong, right = self.chance.choice([("yes", "true"), ("no", "false"), ("on", "true"), ("Off", "false"), ("y", "true"), ("N", "false")])
        return self.at_value("yes for true", recipe, entry, recipe.replaced(entry.value, wrong), "R023", f"help: write {right}", in_schema=True)

    def not_finite(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and recipe.facts(entry.path) and number_form(recipe.facts(entry.path)))
        wrong = self.chance.choice([".nan", ".inf", "-.inf", "nan", "-.Inf"])
        return self.at_value("not finite", recipe, entry, recipe.replaced(entry.value, wrong), "R022", f"'{entry.path}' must be a finite number")

    def tab(self):
        recipe, entry = self.pick(lambda recipe, entry: not entry.flow and entry.depth == 2 and "[" not in entry.path)
        line = entry.key.start_mark.line
        lines = recipe.text.split("\n")
        lines[line] = "\t" + lines[line].lstrip(" ")
        return Mistake("tab", recipe.name, "\n".join(lines), "R020", line + 1, 1, "help: indent with spaces")

    def duplicate(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry) and (entry.flow or entry.depth == 1))
        start, end = entry.key.start_mark.index, entry.value.end_mark.index
        again = (", " if entry.flow else "\n") + recipe.text[start:end]
        text = recipe.text[:end] + again + recipe.text[end:]
        where = place(text, end + (2 if entry.flow else 1))
        return Mistake("duplicate key", recipe.name, text, "R013", *where, f"the first one is in line {entry.key.start_mark.line + 1}")

    def missing(self):
        recipe = self.chance.choice(self.recipes)
        entry = recipe.at("name")
        text = recipe.text[:entry.key.start_mark.index] + recipe.text[entry.value.end_mark.index + 1:]
        return Mistake("required key missing", recipe.name, text, "R006", 0, 0, "help: add 'name: ", in_schema=True)

    def later(self):
        recipe = self.chance.choice(self.recipes)
        base = recipe.text.rstrip("\n") + "\n"
        return Mistake("not in this version", recipe.name, base + "gate: {max_loss_increase: 0.02}\n", "R015", *place(base, len(base)),
                       "is not in this version", in_schema=True)

    def forbidden_yaml(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry))
        value = recipe.text[entry.value.start_mark.index:entry.value.end_mark.index]
        before, code, answer = self.chance.choice([
            ("&x ", "R016", "an anchor is not supported"), ("!!str ", "R017", "help: remove the tag"), ("*x # ", "R016", "an alias is not supported"),
            ("[" * 20, "R019", "nested deeper than 16 levels")])
        if entry.flow and before == "*x # ":
            return self.forbidden_yaml()
        after = "]" * before.count("[")
        mistake = self.at_value("forbidden YAML", recipe, entry, recipe.replaced(entry.value, before + value + after), code, answer)
        if code == "R019":
            mistake.column += 16 - entry.depth - entry.path.count("[")
        return mistake

    def control_character(self):
        recipe, entry = self.pick(lambda recipe, entry: is_scalar(entry))
        return self.at_value("control character", recipe, entry, recipe.replaced(entry.value, "\x07" + entry.value.value), "R021", "help: remove it")

    def second_document(self):
        recipe = self.chance.choice(self.recipes)
        base = recipe.text.rstrip("\n") + "\n"
        return Mistake("second document", recipe.name, base + "---\nname: b\n", "R018", *place(base, len(base)), "help: keep one document")

    def conflict(self):
        return self.chance.choice([self.two_origins, self.full_with_lora, self.path_and_fraction, self.same_file, self.same_export,
                                   self.encoding_of_a_folder, self.long_warmup, self.answers_without_rows, self.listed_twice])()

    def conflict_at(self, recipe, text, second, first):
        """R007 at offset `second` of `text`, which names the place of offset `first`."""
        line, column = place(text, first)
        return Mistake("conflict", recipe.name, text, "R007", *place(text, second), f"the other one stands at {{file}}:{line}:{column}")

    def two_origins(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path in ("model.path", "model.from", "model.init") and entry.flow and is_scalar(entry))
        other = "from" if entry.key.value in ("path", "init") else "init"
        order = ["path", "from", "init"]
        end = entry.value.end_mark.index
        text = recipe.text[:end] + f", {other}: x" + recipe.text[end:]
        places = {entry.key.value: entry.key.start_mark.index, other: end + 2}
        first, second = sorted(places, key=order.index)
        return self.conflict_at(recipe, text, places[second], places[first])

    def full_with_lora(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "method" and recipe.at("lora"))
        text = recipe.replaced(entry.value, "full")
        shift = len(text) - len(recipe.text)
        lora = recipe.at("lora").key.start_mark.index
        return self.conflict_at(recipe, text, lora + shift, entry.key.start_mark.index)

    def path_and_fraction(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "data.valid.path" and entry.flow)
        end = entry.value.end_mark.index
        return self.conflict_at(recipe, recipe.text[:end] + ", fraction: 0.1" + recipe.text[end:], end + 2, entry.key.start_mark.index)

    def same_file(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "data.valid.path" and recipe.at("data.train[0].path"))
        train = recipe.at("data.train[0].path")
        text = recipe.replaced(entry.value, "./" + train.value.value)
        return self.conflict_at(recipe, text, recipe.at("data.valid").key.start_mark.index, train.key.start_mark.index)

    def with_exports(self, first, second):
        recipe = self.chance.choice([recipe for recipe in self.recipes if not recipe.at("export")])
        base = recipe.text.rstrip("\n") + "\n"
        return recipe, base, f"{base}export:\n  - {first}\n  - {second}\n"

    def same_export(self):
        target = self.chance.choice(["{format: gguf, encoding: f16}", "{format: hf}", "{to: a/b.gguf}"])
        recipe, base, text = self.with_exports(target, target)
        first = len(base) + len("export:\n  - {")
        return self.conflict_at(recipe, text, first + len(target) + len("\n  - "), first)

    def encoding_of_a_folder(self):
        recipe, base, text = self.with_exports("{format: gguf}", "{format: hf, encoding: f16}")
        return self.conflict_at(recipe, text, text.rindex("encoding"), text.rindex("format"))

    def long_warmup(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "train.warmup" and entry.flow and not recipe.at("train.max_steps"))
        text = recipe.replaced(entry.value, "0.9, max_steps: 8")
        start = entry.key.start_mark.index
        return self.conflict_at(recipe, text, start, text.index("max_steps", start))

    def answers_without_rows(self):
        recipe, valid = self.pick(lambda recipe, entry: entry.path == "data.valid" and not entry.flow and entry.value.flow_style and recipe.at("eval.metrics"))
        text = recipe.replaced(valid.value, "null")
        text = re.sub(r"metrics: \[.*?\]", "metrics: [f1]", text)
        return self.conflict_at(recipe, text, text.index("metrics:"), recipe.at("data").key.start_mark.index)

    def listed_twice(self):
        recipe, entry = self.pick(lambda recipe, entry: entry.path == "data.train" and entry.value.flow_style)
        text = recipe.replaced(entry.value, "[{path: a.jsonl}, {path: ./a.jsonl}]")
        start = entry.value.start_mark.index
        return self.conflict_at(recipe, text, text.index("{path: ./a"), text.index("path", start))


def key_names(schema):
    for form in forms(schema):
        for name, below in form.get("properties", {}).items():
            yield name
            yield from key_names(below)


# Of 100 mistakes, so many of each kind.
SHARES = {"mistyped_key": 24, "foreign_key": 12, "wrong_type": 11, "quoted_number": 3, "wrong_section": 8, "bad_range": 8, "bad_word": 5,
          "conflict": 10, "tab": 3, "duplicate": 4, "flag_word": 2, "not_finite": 2, "missing": 1, "later": 2, "forbidden_yaml": 3,
          "control_character": 1, "second_document": 1}


def mistakes(seed, count, recipes, schema):
    maker = Maker(random.Random(seed), recipes, schema)
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    return [getattr(maker, kinds[i % len(kinds)])() for i in range(count)]
