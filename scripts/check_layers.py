#!/usr/bin/env python3
"""Checks that every #include follows the direction of the layers (see CONTRIBUTING.md), and that files stay short.

usage: check_layers.py [ROOT]     prints FILE:LINE: message for each break; exit status 1 when there is one
"""
import pathlib
import re
import sys

ALLOWED = {
    "core": [],
    "store": ["core"],
    "kernels": ["core"],
    "collective": ["core", "kernels"],
    "data": ["core"],
    "models": ["core", "kernels"],
    "lora": ["core", "kernels", "models"],
    "export": ["core", "data", "kernels", "models", "lora"],
    "train": ["core", "data", "kernels", "collective", "models", "lora"],
    "eval": ["core", "data", "kernels", "models", "lora", "train"],
}
LAYERS = list(ALLOWED) + ["ops", "cli"]
ALLOWED["ops"] = [layer for layer in LAYERS if layer not in ("ops", "cli")]
ALLOWED["cli"] = [layer for layer in LAYERS if layer != "cli"]

WITHOUT_TORCH = {"core", "store", "data"}
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
LONG_LINES, TOO_LONG_LINES = 400, 600
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Only ops/ opens a socket, and only for `pull` and `deploy`; ranks of one run meet through LibTorch and NCCL or MPI.
NETWORK = re.compile(r"^(curl/|sys/socket\.h|netdb\.h|netinet/|arpa/inet\.h)")
TORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")


def include_problem(folder, suffix, bracket, target):
    """Why `folder` may not include `target`, or None."""
    if TORCH.match(target):
        if folder in WITHOUT_TORCH:
            return f"{folder}/ must not include LibTorch ('{target}')"
        if suffix in (".cu", ".cuh"):
            return f"a .cu file must not include LibTorch ('{target}')"
        if target == "torch/torch.h":
            return "include the narrow headers instead of 'torch/torch.h'"
    if NETWORK.match(target) and folder != "ops":
        return f"{folder}/ must not use the network ('{target}'); only ops/ may"
    if bracket == "<":
        return None
    parts = target.split("/")
    if parts[0] not in LAYERS:
        return None
    if parts[0] != folder and parts[0] not in ALLOWED[folder]:
        return f"{folder}/ must not include '{target}': {parts[0]}/ is not below it"
    if parts[0] != folder and "internal" in parts[1:-1]:
        return f"'{target}' is internal to {parts[0]}/"
    return None


def check_file(root, path, folder):
    """Problems of one source, as (line, message)."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        match = INCLUDE.match(line)
        problem = match and include_problem(folder, path.suffix, match[1], match[2])
        if problem:
            yield number, problem
    name = path.relative_to(root)
    if len(lines) > TOO_LONG_LINES:
        yield len(lines), f"{len(lines)} lines; split the file (limit {TOO_LONG_LINES})"
    elif len(lines) > LONG_LINES:
        print(f"{name}: warning: {len(lines)} lines, more than {LONG_LINES}", file=sys.stderr)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    failed = False
    for folder in LAYERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES:
                continue
            for line, message in check_file(root, path, folder):
                print(f"{path.relative_to(root)}:{line}: {message}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
