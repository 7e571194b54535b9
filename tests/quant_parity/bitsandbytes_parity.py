"""NF4 with double quantisation and int8 rows: the same bytes as bitsandbytes.

The second quantisation of bitsandbytes' CPU library looks its codes up in a coarse table and so misses the nearest code
now and then (its CUDA kernel does not); there the codes are compared with the nearest ones, worked out here, and must be
within one of what the library gives.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

try:
    import bitsandbytes.functional as bnb
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

SHAPES = {"square": (256, 256), "wide": (128, 1024), "tall": (1024, 64), "odd": (48, 100), "tiny": (2, 64)}


def matrices():
    torch.manual_seed(11)
    made = {name: torch.randn(shape) * 0.03 for name, shape in SHAPES.items()}
    made["zeros"] = torch.zeros(64, 64)
    made["outliers"] = torch.randn(64, 256) * torch.where(torch.rand(64, 256) < 0.01, 30.0, 0.01)
    made["bf16"] = (torch.randn(96, 128) * 0.05).bfloat16()
    return made


def nearest_codes(scales, code_map):
    padded = torch.nn.functional.pad(scales, (0, -len(scales) % 256)).view(-1, 256)
    absmax = padded.abs().amax(1)
    inverse = torch.where(absmax > 0, 1 / absmax, torch.zeros_like(absmax))
    middles = (code_map[1:] + code_map[:-1]) / 2
    return torch.bucketize((padded * inverse[:, None]).reshape(-1)[: len(scales)], middles), absmax


def check_nf4(name, weights, ours):
    """Number of second-level codes in which bitsandbytes' CPU library differs from the nearest."""
    whole = weights.numel() // 64 * 64  # its CPU path divides in a last, shorter block; its CUDA kernel multiplies
    packed, state = bnb.quantize_4bit(weights, quant_type="nf4", compress_statistics=True, blocksize=64)
    assert torch.equal(packed.flatten()[: whole // 2], ours["weight"][: whole // 2]), f"{name}: bytes differ"
    assert torch.equal(state.code, ours["weight.quant_map"]), f"{name}: values differ"
    assert torch.equal(state.state2.code, ours["weight.nested_quant_map"]), f"{name}: 8-bit values differ"
    offset = ours["weight.nested_offset"][0]
    assert torch.equal(state.offset, offset), f"{name}: offset {state.offset.item()} and {offset.item()}"
    plain, plain_state = bnb.quantize_4bit(weights, quant_type="nf4", compress_statistics=False, blocksize=64)
    codes, absmax = nearest_codes(plain_state.absmax - offset, state.state2.code)
    assert torch.equal(absmax, ours["weight.nested_absmax"]), f"{name}: nested scales differ"
    assert torch.equal(state.state2.absmax, ours["weight.nested_absmax"]), f"{name}: nested scales differ"
    assert torch.equal(codes, ours["weight.absmax"].long()), f"{name}: scale codes are not the nearest"
    state.absmax = ours["weight.absmax"]
    theirs = bnb.dequantize_4bit(ours["weight"].view(-1, 1), state)
    assert torch.equal(theirs.float(), ours["dense16" if weights.dtype == torch.bfloat16 else "dense"].float()), \
        f"{name}: they read our bytes differently"
    library = bnb.quantize_blockwise(plain_state.absmax - offset, blocksize=256)[0]
    apart = (library.long() - codes).abs()
    assert apart.max() <= 1 or name in ("zeros", "tiny"), f"{name}: codes are {apart.max()} apart"
    return int((apart > 0).sum())


def check_int8(name, weights, ours):
    codes, absmax, _ = bnb.int8_vectorwise_quant(weights.half())
    assert torch.equal(absmax, weights.half().abs().amax(1).float())
    step = weights.float().abs().amax(1, keepdim=True) / 127
    assert (codes.int() - ours["weight"].int()).abs().max() <= 1, f"{name}: int8 codes differ by more than one"
    assert ((ours["dense"] - weights.float()).abs() <= step * 0.5001).all(), f"{name}: more than half a step away"


def main():
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "in.safetensors"), pathlib.Path(folder, "out.safetensors")
        weights = matrices()
        save_file(weights, source)
        subprocess.run([os.environ["QUANT_TOOL"], source, target], check=True)
        out = load_file(target)
        differing = scales = 0
        for name, matrix in weights.items():
            part = lambda kind: {key[len(kind) + len(name) + 2:]: value for key, value in out.items()
                                 if key.startswith(f"{kind}.{name}.")}
            differing += check_nf4(name, matrix, part("nf4"))
            scales += matrix.numel() // 64
            check_int8(name, matrix, part("int8"))
    print(f"{len(weights)} matrices: NF4 bytes, values, offsets and nested scales are bitsandbytes' own; "
          f"{differing} of {scales} scale codes are nearer than those of its CPU table")


if __name__ == "__main__":
    main()
