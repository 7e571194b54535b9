"""An importance matrix that `slmtune export --imatrix auto` collects: its sums are those that hooks in transformers see,
gguf reads the file as llama.cpp's, and what is exported by it are the bytes of ggml's own quantiser with the same matrix.
"""

import ctypes
import json
import tempfile
from pathlib import Path

import tiny_models
from tiny_models import skip, slmtune

try:
    import gguf
    import numpy
    import torch
    import xllamacpp.xllamacpp
    from transformers import AutoModelForCausalLM
except ImportError as missing:
    skip(f"{missing.name} is not installed")

ROWS = 24
SUM_ERROR = 2e-3  # of the largest sum of a matrix: both compute in float32, in other orders


def names_of(layers: int, joined: bool) -> dict[str, str]:
    """transformers' module of every GGUF matrix."""
    parts = {"attn_output": "self_attn.o_proj", "ffn_down": "mlp.down_proj"}
    if joined:
        parts |= {"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
    else:
        parts |= {f"attn_{x}": f"self_attn.{x}_proj" for x in "qkv"} | {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj"}
    return {f"blk.{i}.{name}.weight": f"model.layers.{i}.{module}" for i in range(layers) for name, module in parts.items()}


def hooked_sums(folder: Path, rows: list[list[int]]) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    sums: dict[str, torch.Tensor] = {}

    def hook(name):
        def add(_, inputs):
            sums[name] = sums.get(name, 0) + inputs[0].double().square().flatten(0, -2).sum(0)
        return add

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.register_forward_pre_hook(hook(name))
    with torch.no_grad():
        for ids in rows:
            model(torch.tensor([ids]))
    return sums


def read_matrix(path: Path) -> tuple[dict[str, numpy.ndarray], dict[str, float]]:
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    sums = {name.removesuffix(".in_sum2"): data.ravel() for name, data in tensors.items() if name.endswith(".in_sum2")}
    counts = {name.removesuffix(".counts"): float(data.ravel()[0]) for name, data in tensors.items() if name.endswith(".counts")}
    assert sums.keys() == counts.keys()
    return sums, counts


def check_sums(folder: Path, matrix: Path, rows: list[list[int]]) -> int:
    expected = hooked_sums(folder, rows)
    sums, counts = read_matrix(matrix)
    config = json.loads((folder / "config.json").read_text())
    names = names_of(config["num_hidden_layers"], joined=config["model_type"] == "phi3")
    assert sums.keys() == names.keys(), sums.keys() ^ names.keys()
    for name, module in names.items():
        assert counts[name] == sum(map(len, rows)), (name, counts[name])
        wanted = expected[module].numpy()
        worst = float(numpy.abs(sums[name] - wanted).max() / wanted.max())
        assert worst <= SUM_ERROR, (name, worst)
    return len(names)


def check_bytes(plain: Path, weighted: Path, matrix: Path) -> int:
    """Every matrix of `weighted` against ggml_quantize_chunk on the numbers of `plain`."""
    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    quantise = library.ggml_quantize_chunk
    quantise.restype = ctypes.c_size_t
    quantise.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    sums, counts = read_matrix(matrix)
    sources = {tensor.name: tensor for tensor in gguf.GGUFReader(plain).tensors}
    compared = 0
    for tensor in gguf.GGUFReader(weighted).tensors:
        if tensor.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            continue
        source = numpy.ascontiguousarray(sources[tensor.name].data.astype(numpy.float32))
        rows, columns = source.shape
        weights = None
        if tensor.name in sums:
            weights = (sums[tensor.name] / numpy.float32(counts[tensor.name])).astype(numpy.float32)
        out = numpy.empty(tensor.n_bytes, dtype=numpy.uint8)
        written = quantise(int(tensor.tensor_type), source.ctypes.data, out.ctypes.data, 0, rows, columns,
                           None if weights is None else weights.ctypes.data)
        assert written == tensor.n_bytes, (tensor.name, written)
        assert numpy.array_equal(out, tensor.data.reshape(-1).view(numpy.uint8)), (tensor.name, tensor.tensor_type.name)
        compared += 1
    return compared


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            folder = make(Path(temporary) / kind)
            texts = tiny_models.prompts(ROWS)
            data = Path(temporary) / f"{kind}.jsonl"
            data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
            tokenised = slmtune("data", "tokenize", "--model", folder, data).splitlines()
            rows = [json.loads(line)["ids"] for line in tokenised]
            plain, weighted = Path(temporary) / f"{kind}-f16.gguf", Path(temporary) / f"{kind}.gguf"
            slmtune("export", folder, "--encoding", "f16", "--to", plain, "--no-verify")
            slmtune("export", folder, "--encoding", "q4_k_m", "--imatrix", "auto", "--data", data, "--to", weighted, "--no-verify",
                    "--device", "cpu", "--dtype", "float32")
            matrix = weighted.with_suffix(".imatrix.gguf")
            matrices = check_sums(folder, matrix, rows)
            again = Path(temporary) / f"{kind}-again.gguf"
            slmtune("export", folder, "--encoding", "q4_k_m", "--imatrix", matrix, "--to", again, "--no-verify")
            compared = check_bytes(plain, again, matrix)
            print(f"{kind}: sums of {matrices} matrices over {len(rows)} rows, bytes of {compared} tensors equal")
            assert compared > 0


if __name__ == "__main__":
    main()
