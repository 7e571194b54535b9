"""Every encoding of the registry gives the bytes of ggml_quantize_chunk, with and without importance, and decodes them to
the values of ggml and of the `gguf` package.

The reference is llama.cpp's own code in the `xllamacpp` wheel: what llama-quantize writes. Its plain functions,
quantize_row_*_ref, give the same bytes, but for IQ4_NL, where they search less; that is counted, too.
"""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path

from tiny_models import skip

try:
    import gguf
    import numpy
    import xllamacpp
except ImportError as missing:
    skip(f"{missing.name} is not installed")

SEED = 8
ROWS = 200 if os.environ.get("SLMTUNE_COUNTS") == "full" else 4
NAMES = {"q2_k": "q2_K", "q3_k": "q3_K", "q4_k": "q4_K", "q5_k": "q5_K", "q6_k": "q6_K"}
TO_FLOAT = {"f16": "ggml_fp16_to_fp32_row", "bf16": "ggml_bf16_to_fp32_row"}
WITHOUT_WEIGHT = 16  # in the second importance, each 16th column has none
WITHOUT_LEVELS = ("f32", "f16", "bf16")
POINTER, INT64 = ctypes.c_void_p, ctypes.c_int64


def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")))
    loaded.ggml_quantize_chunk.restype = ctypes.c_size_t
    loaded.ggml_quantize_chunk.argtypes = [ctypes.c_int, POINTER, POINTER, INT64, INT64, INT64, POINTER]
    return loaded


def address(array: "numpy.ndarray | None") -> int | None:
    return None if array is None else array.ctypes.data


class Kind:
    """One encoding: its row of the registry, and ggml's functions for it."""

    def __init__(self, line: str, ggml: ctypes.CDLL):
        self.name, kind, block, block_bytes = line.split()
        self.type, self.block, self.block_bytes = int(kind), int(block), int(block_bytes)
        self.ggml, stem = ggml, NAMES.get(self.name, self.name)
        self.to_float = None if self.name == "f32" else getattr(ggml, TO_FLOAT.get(self.name, f"dequantize_row_{stem}"))
        self.plain = None if self.name in WITHOUT_LEVELS else getattr(ggml, f"quantize_row_{stem}_ref")
        for function in (self.to_float, self.plain):
            if function is not None:
                function.argtypes, function.restype = [POINTER, POINTER, INT64], None

    def room(self, values: numpy.ndarray) -> numpy.ndarray:
        return numpy.zeros(values.size // self.block * self.block_bytes, numpy.uint8)

    def by_ggml(self, values: numpy.ndarray, importance: "numpy.ndarray | None") -> numpy.ndarray:
        blocks = self.room(values)
        written = self.ggml.ggml_quantize_chunk(self.type, address(values), address(blocks), 0, *values.shape, address(importance))
        assert written == blocks.size, (self.name, written, blocks.size)
        return blocks

    def by_plain_functions(self, values: numpy.ndarray) -> numpy.ndarray:
        blocks = self.room(values)
        self.plain(address(values), address(blocks), values.size)
        return blocks

    def decoded_by_ggml(self, blocks: numpy.ndarray, values: numpy.ndarray) -> numpy.ndarray:
        if self.to_float is None:
            return blocks.view(numpy.float32).reshape(values.shape)
        out = numpy.zeros_like(values)
        self.to_float(address(blocks), address(out), values.size)
        return out

    def by_us(self, tool: str, folder: Path, values: numpy.ndarray, importance: "numpy.ndarray | None") -> tuple:
        values.tofile(folder / "values")
        arguments = [tool, self.name, str(values.shape[1]), folder / "values", folder / "blocks", folder / "decoded"]
        if importance is not None:
            importance.tofile(folder / "importance")
            arguments.append(folder / "importance")
        subprocess.run(arguments, check=True)
        return (numpy.fromfile(folder / "blocks", numpy.uint8),
                numpy.fromfile(folder / "decoded", numpy.float32).reshape(values.shape))


def distributions(random: numpy.random.Generator, columns: int) -> dict[str, numpy.ndarray]:
    """Rows by what is difficult about them."""
    shape = (ROWS, columns)
    normal = random.standard_normal(shape)
    per_block = lambda values: numpy.repeat(values, 32, axis=1)
    blocks = (ROWS, columns // 32)
    outlier = normal * 1e-3
    outlier[:, ::32] = random.standard_normal(blocks) * 10
    sparse = numpy.where(random.random(shape) < 0.9, 0.0, normal)
    far_out = normal * per_block(10.0 ** random.uniform(-6, 0, blocks))
    far_out[:, ::WITHOUT_WEIGHT] = -(10.0 ** random.uniform(3, 7, far_out[:, ::WITHOUT_WEIGHT].shape))
    rows = {
        "normal": normal * 0.02,
        "uniform": random.uniform(-1, 1, shape),
        "heavy tails": random.standard_t(2, shape) ** 3,
        "one sign": -numpy.abs(normal),
        "far from zero": 5 + 0.01 * normal,
        "zero blocks": normal * per_block(random.integers(0, 2, blocks)),
        "constant blocks": per_block(random.standard_normal(blocks)),
        "one outlier a block": outlier,
        "far out where importance is zero": far_out,
        "sparse": sparse,
        "whole numbers": random.integers(-8, 9, shape),
        "halves of levels": random.integers(-255, 256, shape) / 16,
        "blocks of all sizes": normal * per_block(10.0 ** random.uniform(-38, 4, blocks)),
        "values of all sizes": numpy.sign(normal) * 10.0 ** random.uniform(-12, 4, shape),
        "around 1e-15": normal * 1e-15,
        "subnormal": normal * 1e-39,
        "smallest": random.integers(-3, 4, shape) * 2.0**-149,
        "near the end of float16": normal * 65504,
        "huge": normal * 1e30,
        "largest": numpy.sign(normal) * numpy.finfo(numpy.float32).max,
    }
    return {name: numpy.ascontiguousarray(values, numpy.float32) for name, values in rows.items()}


def not_numbers(random: numpy.random.Generator, columns: int) -> dict[str, numpy.ndarray]:
    shape = (ROWS, columns)
    some, few = random.random(shape) < 0.02, random.random(shape) < 0.005
    normal = random.standard_normal(shape)
    rows = {"some NaN": numpy.where(some, numpy.nan, normal), "only NaN": numpy.full(shape, numpy.nan),
            "infinities": numpy.where(some, numpy.inf * numpy.sign(normal), normal),
            "one infinity, NaN": numpy.where(few, numpy.inf, numpy.where(some, numpy.nan, normal))}
    return {name: numpy.ascontiguousarray(values, numpy.float32) for name, values in rows.items()}


def importances(random: numpy.random.Generator, columns: int) -> list:
    squares = random.chisquare(1, columns)
    zero = (random.random(columns) < 0.3) | (numpy.arange(columns) % WITHOUT_WEIGHT == 0)
    weights = [squares, numpy.where(zero, 0.0, squares), 10.0 ** random.uniform(-6, 6, columns),
               numpy.ones(columns), numpy.zeros(columns)]
    return [None, *(values.astype(numpy.float32) for values in weights)]


def columns_of(kind: Kind) -> tuple:
    return (256, 1024, 1280) if kind.block == 256 else (32, 96, 896, 1024)


def check(kind: Kind, tool: str, folder: Path) -> tuple[int, int, int]:
    """Bytes compared, those that differ from ggml_quantize_chunk and, without importance, from the plain function."""
    random = numpy.random.default_rng(SEED)
    compared = differing = from_plain = 0
    for columns in columns_of(kind):
        finite, others = distributions(random, columns), not_numbers(random, columns)
        rows = {**finite, **others}
        values = numpy.ascontiguousarray(numpy.concatenate(list(rows.values())))
        for number, importance in enumerate(importances(random, columns)):
            ours, decoded = kind.by_us(tool, folder, values, importance)
            theirs = kind.by_ggml(values, importance)
            compared += theirs.size
            differing += report(kind, rows, columns, number, ours, theirs)
            with numpy.errstate(all="ignore"):
                same = kind.decoded_by_ggml(theirs, values)
                assert numpy.array_equal(decoded, same, equal_nan=True), (kind.name, columns, number, "decoded, ggml")
                same = gguf.quants.dequantize(theirs.reshape(len(values), -1), gguf.GGMLQuantizationType(kind.type))
            numbers = numpy.isfinite(decoded)
            assert numpy.array_equal(decoded[numbers], same.reshape(values.shape)[numbers]), (kind.name, "decoded, gguf")
            if importance is None and kind.plain is not None:
                from_plain += int(numpy.count_nonzero(kind.by_plain_functions(values) != theirs))
    return compared, differing, from_plain


def report(kind: Kind, rows: dict, columns: int, importance: int, ours: numpy.ndarray, theirs: numpy.ndarray) -> int:
    if numpy.array_equal(ours, theirs):
        return 0
    per_distribution = (ours != theirs).reshape(len(rows), -1).sum(axis=1)
    for name, count in zip(rows, per_distribution):
        if count:
            print(f"{kind.name}, {columns} columns, importance {importance}, {name}: {count} bytes differ")
    return int(per_distribution.sum())


def main() -> None:
    tool = os.environ.get("ENCODE_TOOL", "")
    if not Path(tool).is_file():
        skip("ENCODE_TOOL does not name the program")
    ggml, failed = library(), []
    listed = subprocess.run([tool, "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    with tempfile.TemporaryDirectory() as folder:
        for line in listed:
            kind = Kind(line, ggml)
            compared, differing, from_plain = check(kind, tool, Path(folder))
            print(f"{kind.name:6} {compared:9} bytes, {differing} differ from ggml_quantize_chunk; "
                  f"{from_plain} of ggml's own differ from its plain function")
            if differing or (from_plain and kind.name != "iq4_nl"):
                failed.append(kind.name)
    assert not failed, f"bytes differ: {failed}"
    assert len(listed) >= 14, listed


if __name__ == "__main__":
    main()
