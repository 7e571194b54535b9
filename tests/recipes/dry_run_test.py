"""Every recipe in recipes/ passes `slmtune train --dry-run`. A recipe whose data or model is not part of the project is
left out with the reason; one that continues a snapshot of another recipe is checked on the tiny model instead."""
import os
import pathlib
import subprocess
import sys

PROGRAM = os.environ["SLMTUNE"]
SOURCE = pathlib.Path(os.environ["SLMTUNE_SOURCE"])
MISSING = ("error[N001]", "error[N002]", "error[N004]")


def dry_run(recipe, *more):
    return subprocess.run([PROGRAM, "train", str(recipe), "--dry-run", *more], cwd=SOURCE, text=True, capture_output=True)


def main():
    checked, failed = 0, []
    for path in sorted((SOURCE / "recipes").rglob("*.yaml")):
        recipe = path.relative_to(SOURCE)
        result = dry_run(recipe)
        if "error[N002]" in result.stderr:  # its base snapshot was not trained here
            result = dry_run(recipe, "--set", "model={init: configs/models/tiny.yaml}")
        if result.returncode == 0:
            checked += 1
        elif result.returncode == 66 and any(code in result.stderr for code in MISSING):
            print(f"left out: {recipe}: {result.stderr.strip().splitlines()[-2]}")
        else:
            failed.append(f"{recipe} ended with {result.returncode}:\n{result.stderr}")
    print(f"{checked} recipes pass")
    if failed:
        sys.exit("\n".join(failed))
    if checked == 0:
        sys.exit(77)


main()
