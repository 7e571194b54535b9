#!/usr/bin/env python3
"""The README's commands work: the block marked `tested` is run, in order, over a miniature of the quick start's stores.

The recipes are the real ones, cut to a few steps, in a temporary folder.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = os.environ["SLMTUNE"]
SOURCE = Path(os.environ["SLMTUNE_SOURCE"])


def tested_commands() -> list[str]:
    readme = (SOURCE / "README.md").read_text()
    blocks = re.findall(r"<!-- tested:.*?-->\n```sh\n(.*?)```", readme, re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def table_commands() -> set[str]:
    readme = (SOURCE / "README.md").read_text()
    return set(re.findall(r"^\| `([a-z]+)", readme, re.M))


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, capture_output=True)


def main() -> int:
    failures = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("recipes", "configs"):
            (folder / name).symlink_to(SOURCE / name)
        short = "--set train.max_steps=3 --set 'eval.metrics=[loss]'"
        heldout = folder / "short.jsonl"
        heldout.write_text("\n".join(
            (SOURCE / "recipes/quickstart/data/faq_heldout.jsonl").read_text().splitlines()[:5]) + "\n")
        commands = [f"slmtune train recipes/quickstart/base.yaml {short}",
                    f"slmtune train recipes/quickstart/faq.yaml {short}"]
        commands += [c.replace("recipes/quickstart/data/faq_heldout.jsonl", str(heldout)) for c in tested_commands()]
        if len(commands) < 5:
            failures.append("README.md has no block marked 'tested'")
        for command in commands:
            done = run(command, folder)
            print(f"{'ok' if done.returncode == 0 else 'FAILED'}: {command}")
            if done.returncode != 0:
                failures.append(f"{command}\n{done.stderr}")
        for name in sorted(table_commands()):
            if run(f"slmtune {name} --help", folder).returncode != 0:
                failures.append(f"README.md names the command '{name}', but the program does not know it")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
