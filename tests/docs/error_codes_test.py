#!/usr/bin/env python3
"""The table of error codes is complete: every code has its text, is thrown somewhere and is named by a test; every code
that is thrown stands in the table; docs/errors.md is that table; and no text of a library's exception reaches the user.

usage: error_codes_test.py [--write]     --write makes docs/errors.md anew
"""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

PROGRAM = os.environ["SLMTUNE"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])
PAGES = SOURCE / "docs/errors.md"
FOLDERS = "core store kernels collective data models lora export train eval ops cli".split()
ROW = re.compile(r'\{"([A-Z]\d{3})", k(\w+), "((?:[^"\\]|\\.)*)",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}')
CODE = re.compile(r'"([DFGHLNPRSTUVWX]\d{3})"')
ENOUGH = 60  # letters of an explanation: what it means and what to do


def sources(*suffixes):
    for folder in FOLDERS:
        for path in sorted((SOURCE / folder).rglob("*")):
            if path.suffix in suffixes:
                yield path


def table():
    """code → (exit, title, explanation)"""
    rows = {}
    for path in sorted((SOURCE / "core").glob("error_codes*.cpp")):
        for code, exit_name, title, parts in ROW.findall(path.read_text()):
            rows[code] = (exit_name, title, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', parts)))
    return rows


def thrown():
    """code → files that name it, the table itself left out"""
    places = {}
    for path in sources(".cpp", ".h", ".cu"):
        if not path.name.startswith("error_codes"):
            for code in CODE.findall(path.read_text()):
                places.setdefault(code, set()).add(str(path.relative_to(SOURCE)))
    return places


def tested():
    text = "".join(path.read_text(errors="replace") for path in sorted((SOURCE / "tests").rglob("*"))
                   if path.suffix in (".cpp", ".h", ".py", ".txt") and path.is_file())
    return set(re.findall(r"[A-Z]\d{3}", text))


def pages():
    done = subprocess.run([PROGRAM, "explain", "errors"], capture_output=True, text=True, check=True)
    return done.stdout


class ErrorCodes(unittest.TestCase):
    def test_the_table_is_read_whole(self):
        codes = re.findall(r"(?m)^## ([A-Z]\d{3}): ", pages())
        self.assertEqual(sorted(table()), codes)
        self.assertGreater(len(codes), 80)

    def test_the_committed_pages_are_those_of_the_program(self):
        self.assertEqual(PAGES.read_text(), pages(), f"run {Path(__file__).name} with --write")

    def test_every_code_has_a_title_and_an_explanation(self):
        for code, (_, title, explanation) in table().items():
            self.assertTrue(title and not title.endswith("."), code)
            self.assertGreater(len(explanation), ENOUGH, code)
            self.assertTrue(explanation.endswith((".", "?")), code)

    def test_every_code_is_thrown(self):
        self.assertEqual(sorted(set(table()) - set(thrown())), [])

    def test_every_thrown_code_is_in_the_table(self):
        unknown = {code: sorted(files) for code, files in thrown().items() if code not in table()}
        self.assertEqual(unknown, {})

    def test_every_code_is_named_by_a_test(self):
        self.assertEqual(sorted(set(table()) - tested()), [])

    def test_no_text_of_a_library_reaches_the_user(self):
        """A handler of another exception than ours hands its text to library_fault (shown by -v) or leaves it out."""
        ours = ("Error", "UserError", "FileFormatError", "IoError", "BusyError", "UnavailableError", "CLI::ParseError")
        handler = re.compile(r"catch \((?:const )?([\w:]+)& (\w+)\) \{(.*?)\n  \}", re.S)
        for path in sources(".cpp", ".h"):
            for kind, name, body in handler.findall(path.read_text()):
                for line in body.splitlines() if kind not in ours else []:
                    if re.search(rf"\b{name}\.(what|msg)", line):
                        self.assertRegex(line, r"library_fault|refuse_memory|log_verbose|tells_full_memory|const char\* text|fail\(\"R002\"", f"{path.relative_to(SOURCE)}: {line.strip()}")


def main():
    if sys.argv[1:] == ["--write"]:
        PAGES.write_text(pages())
        return
    unittest.main()


if __name__ == "__main__":
    main()
