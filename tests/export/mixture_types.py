"""Writes tests/export/mixture_types.txt: which type llama.cpp's llama-quantize gives each tensor, for models of the families' sizes.

  mixture_types.py --llama-quantize PATH > tests/export/mixture_types.txt

The models have the true names, layer counts and head counts, and rows as long as the true ones modulo 256, which is all that the choice
depends on. Needs Python's gguf and numpy, and a llama-quantize of 2026."""

import argparse
import collections
import itertools
import subprocess
import tempfile
from pathlib import Path

import gguf
import numpy

# name, architecture, layers, heads, key heads, tied, hidden size, ffn size
MODELS = [
    ("tiny-10", "llama", 10, 4, 2, True, 256, 512),
    ("tiny-288", "llama", 10, 4, 4, False, 288, 512),
    ("tiny-odd", "qwen2", 2, 4, 1, True, 80, 96),
    ("llama-3.2-1b", "llama", 16, 32, 8, True, 2048, 8192),
    ("llama-3.2-3b", "llama", 28, 24, 8, True, 3072, 8192),
    ("llama-3.1-8b", "llama", 32, 32, 8, False, 4096, 14336),
    ("llama-3.3-70b", "llama", 80, 64, 8, False, 8192, 28672),
    ("mistral-7b", "llama", 32, 32, 8, False, 4096, 14336),
    ("qwen2.5-0.5b", "qwen2", 24, 14, 2, True, 896, 4864),
    ("qwen2.5-1.5b", "qwen2", 28, 12, 2, True, 1536, 8960),
    ("qwen2.5-3b", "qwen2", 36, 16, 2, True, 2048, 11008),
    ("qwen2.5-7b", "qwen2", 28, 28, 4, False, 3584, 18944),
    ("qwen2.5-14b", "qwen2", 48, 40, 8, False, 5120, 13824),
    ("qwen2.5-72b", "qwen2", 80, 64, 8, False, 8192, 29568),
    ("gemma-2-2b", "gemma2", 26, 8, 4, True, 2304, 9216),
    ("gemma-2-9b", "gemma2", 42, 16, 8, True, 3584, 14336),
    ("phi-4-mini", "phi3", 32, 24, 8, True, 3072, 8192),
    ("phi-4", "phi3", 40, 40, 10, False, 5120, 17920),
]
MIXTURES = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m",
            "q6_k"]


def short(columns):
    return columns % 256 or 256


def tensors_of(architecture, layers, tied, hidden, ffn):
    yield "token_embd", hidden
    if not tied:
        yield "output", hidden
    roles = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up"]
    if architecture == "phi3":
        roles = ["attn_qkv", "attn_output", "ffn_up"]
    for layer in range(layers):
        for role in roles:
            yield f"blk.{layer}.{role}", hidden
        yield f"blk.{layer}.ffn_down", ffn


def write_model(path, model):
    name, architecture, layers, heads, kv_heads, tied, hidden, ffn = model
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(layers)
    writer.add_context_length(256)
    writer.add_embedding_length(heads * 32)
    writer.add_feed_forward_length(short(ffn))
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_sliding_window(256)
    writer.add_vocab_size(4)
    writer.add_tokenizer_model("none")
    random = numpy.random.default_rng(7)
    for tensor, columns in tensors_of(architecture, layers, tied, hidden, ffn):
        writer.add_tensor(tensor + ".weight", random.standard_normal((4, short(columns)), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_importance(path, model):
    writer = gguf.GGUFWriter(path, "none")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["random"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 512)
    name, architecture, layers, heads, kv_heads, tied, hidden, ffn = model
    for tensor, columns in tensors_of(architecture, layers, tied, hidden, ffn):
        writer.add_tensor(tensor + ".weight.in_sum2", numpy.ones((1, short(columns)), dtype=numpy.float32))
        writer.add_tensor(tensor + ".weight.counts", numpy.ones((1, 1), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def types_of(path):
    """"*=q4_k attn_v=q6_k*2,q4_k*3 …": the most frequent type, then the parts that are not of that type in all layers."""
    by_role = {}
    for tensor in gguf.GGUFReader(path).tensors:
        parts = tensor.name.split(".")
        role, layer = (parts[2], int(parts[1])) if parts[0] == "blk" else (parts[0], 0)
        by_role.setdefault(role, {})[layer] = tensor.tensor_type.name.lower()
    usual = collections.Counter(kind for types in by_role.values() for kind in types.values()).most_common(1)[0][0]
    text = f"*={usual}"
    for role, types in sorted(by_role.items()):
        if role in ("token_embd", "output") or set(types.values()) != {usual}:
            groups = itertools.groupby(types[layer] for layer in sorted(types))
            counted = [(kind, len(list(group))) for kind, group in groups]
            text += f" {role}=" + ",".join(kind if count == 1 else f"{kind}*{count}" for kind, count in counted)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-quantize", required=True)
    quantise = parser.parse_args().llama_quantize
    print("# Made by tests/export/mixture_types.py with llama.cpp's llama-quantize; read by mixtures_test.cpp.")
    print("# model NAME ARCHITECTURE LAYERS HEADS KEY_HEADS TIED HIDDEN FFN, then a line per mixture: its usual type (*), and the")
    print("# tensors of other types, layers in order")
    with tempfile.TemporaryDirectory() as folder:
        source, matrix, out = (str(Path(folder) / name) for name in ("in.gguf", "imatrix.gguf", "out.gguf"))
        for model in MODELS:
            write_model(source, model)
            write_importance(matrix, model)
            name, architecture, layers, heads, kv_heads, tied, hidden, ffn = model
            print(f"model {name} {architecture} {layers} {heads} {kv_heads} {int(tied)} {hidden} {ffn}")
            for mixture in MIXTURES:
                lines = {}
                for options in ([], ["--imatrix", matrix]):
                    subprocess.run([quantise, *options, source, out, mixture, "1"], check=True, capture_output=True)
                    lines[mixture + ("+imatrix" if options else "")] = types_of(out)
                plain, weighted = lines[mixture], lines[mixture + "+imatrix"]
                print(f"{mixture} {plain}")
                if weighted != plain:
                    print(f"{mixture}+imatrix {weighted}")


if __name__ == "__main__":
    main()
