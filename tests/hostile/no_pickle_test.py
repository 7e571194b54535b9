#!/usr/bin/env python3
"""Pickles are refused by name, and nothing of ours refers to LibTorch's readers of them: no_pickle_test.py PROGRAM LIBRARY"""
import pathlib
import re
import subprocess
import sys
import tempfile

# torch::load, torch::jit::load and import, pickle_load, the Unpickler, and the readers of its archives.
READERS = re.compile(r"[Pp]ickl|torch::load|torch::jit::|caffe2::serialize|PyTorchStreamReader|PyTorchFileReader")


def undefined_symbols(binary):
    result = subprocess.run(["nm", "--dynamic", "--demangle", "--undefined-only", binary], check=True, text=True,
                            capture_output=True)
    return [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.split()]


def check_refused(program):
    with tempfile.TemporaryDirectory() as folder:
        for name in ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"]:
            file = pathlib.Path(folder) / name
            file.write_bytes(b"PK\x03\x04")
            for command in [["inspect", file], ["generate", file, "--prompt", "a"]]:
                result = subprocess.run([program, *map(str, command)], text=True, capture_output=True)
                if result.returncode != 65 or "F015" not in result.stderr or "safetensors" not in result.stderr:
                    sys.exit(f"{command[0]} {name}: status {result.returncode}, {result.stderr}")


def main(binaries):
    check_refused(binaries[0])
    symbols = {binary: undefined_symbols(binary) for binary in binaries}
    total = sum(len(names) for names in symbols.values())
    if not any(name.startswith("at::") for names in symbols.values() for name in names):
        sys.exit("none of these files uses LibTorch: are they the right ones?")
    found = [f"{binary}: {name}" for binary, names in symbols.items() for name in names if READERS.search(name)]
    print(f"{total} undefined symbols in {len(binaries)} files, {len(found)} of them read pickles")
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
