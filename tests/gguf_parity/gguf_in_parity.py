"""`slmtune` on GGUF files, ours and those of another program: token ids are those of the folder, losses those of
transformers with the weights that the package `gguf` decodes, names and row order by that package's own tables.

The other program is `gguf` itself, writing as little as llama.cpp accepts: vectors in float16, no token types, no
sizes that follow from others, no rope keys where the defaults hold.
"""

import json
import sys
import tempfile
from pathlib import Path

import tiny_models
from tiny_models import skip, slmtune

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tokenizer_parity"))
import texts

try:
    import gguf
    import numpy
    import torch
    from gguf.quants import dequantize, quantize
    from transformers import AutoModelForCausalLM
except ImportError as missing:
    skip(f"{missing.name} is not installed")

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "mistral": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2,
                 "gemma2": gguf.MODEL_ARCH.GEMMA2, "phi3": gguf.MODEL_ARCH.PHI3}
ENCODINGS = ("f16", "q8_0", "q5_0", "q2_k", "q4_k_m") if tiny_models.FULL else ("q4_k_m",)
FAMILIES = list(tiny_models.MAKERS) if tiny_models.FULL else ["llama", "qwen2", "gemma2"]
LARGEST_LOSS_ERROR = 2e-6  # relative, of float32
ROWS = 12


def permuted(values: numpy.ndarray, heads: int, back: bool) -> numpy.ndarray:
    """Rows of queries or keys in the order of adjacent pairs, or `back` in that of halves."""
    sizes = (heads, -1, 2) if back else (heads, 2, values.shape[0] // heads // 2)
    return values.reshape(*sizes, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def changed(name: str, values: numpy.ndarray, model, back: bool) -> numpy.ndarray:
    """What lies in a GGUF file for the weights `values` of a model; `back`: the other way round."""
    config = model.config
    if config.model_type in ("llama", "mistral") and (".q_proj." in name or ".k_proj." in name):
        return permuted(values, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads, back)
    if config.model_type == "gemma2" and name.endswith("norm.weight"):
        return values + numpy.float32(-1 if back else 1)
    return values


def stored_name(model, name: str) -> str:
    names = gguf.get_tensor_name_map(ARCHITECTURES[model.config.model_type], model.config.num_hidden_layers)
    found = names.get_name(name, (".weight", ".bias"))
    assert found, name
    return found


def reference(folder: Path, file: Path):
    """The model of `folder` with the weights of `file`."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = tensors.pop(stored_name(model, name))
            values = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32).reshape(parameter.shape)
            parameter.copy_(torch.from_numpy(changed(name, values, model, back=True).copy()))
    assert all(name.startswith("rope_f") for name in tensors), list(tensors)
    return model


@torch.no_grad()
def loss(model, rows: list[dict]) -> float:
    total, count = 0.0, 0
    for row in rows:
        ids, labels = torch.tensor([row["ids"]]), torch.tensor(row["labels"])
        logits = model(ids).logits[0, :-1].double()
        total += torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum").item()
        count += int((labels[1:] != -100).sum())
    return total / count


def check(kind: str, what: str, folder: Path, file: Path, data: Path) -> None:
    rows = slmtune("data", "tokenize", "--model", file, data)
    score = json.loads(slmtune("eval", file, "--data", data, "--metrics", "loss", "--device", "cpu", "--dtype", "float32",
                               "--json"))["models"][0]
    expected = loss(reference(folder, file), [json.loads(line) for line in rows.splitlines()])
    error = abs(score["loss"] - expected) / expected
    print(f"  {kind} {what}: loss {expected:.6f}, ours differs by {error:.1e}")
    assert error <= LARGEST_LOSS_ERROR, (score["loss"], expected)


def write_elsewhere(kind: str, folder: Path, ours: Path, to: Path) -> None:
    """The model of `folder` written by `gguf`, with the vocabulary of our own file. Matrices in Q8_0, F16 or Q5_1."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config, fields = model.config, gguf.GGUFReader(ours).fields
    writer = gguf.GGUFWriter(to, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[kind]])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if kind == "gemma2":
        writer.add_key_length(config.head_dim)
        writer.add_sliding_window(config.sliding_window)
    writer.add_tokenizer_model(fields["tokenizer.ggml.model"].contents())
    writer.add_tokenizer_pre(fields["tokenizer.ggml.pre"].contents())
    writer.add_token_list(fields["tokenizer.ggml.tokens"].contents())
    if kind == "gemma2":
        writer.add_token_scores(fields["tokenizer.ggml.scores"].contents())
        writer.add_token_types(fields["tokenizer.ggml.token_type"].contents())
        writer.add_add_space_prefix(False)
        writer.add_unk_token_id(fields["tokenizer.ggml.unknown_token_id"].contents())
    else:
        writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    for role in ("bos", "eos"):
        getattr(writer, f"add_{role}_token_id")(fields[f"tokenizer.ggml.{role}_token_id"].contents())
    types = [gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.Q5_1]
    for i, (name, parameter) in enumerate(model.named_parameters()):
        values = changed(name, parameter.detach().numpy(), model, back=False)
        if values.ndim == 1:
            writer.add_tensor(stored_name(model, name), values.astype(numpy.float16))
        else:
            kind_of = types[i % len(types)]
            writer.add_tensor(stored_name(model, name), quantize(values, kind_of), raw_dtype=kind_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        data = place / "rows.jsonl"
        wanted = [text for text in texts.FIXED if 0 < len(text) <= 400]
        rows = [{"messages": messages} for messages in tiny_models.rows_of("faq_heldout.jsonl")[:ROWS]]
        for kind in FAMILIES:
            folder = tiny_models.MAKERS[kind](place / kind)
            data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            for encoding in ENCODINGS:
                file = place / f"{kind}-{encoding}.gguf"
                slmtune("export", folder, "--format", "gguf", "--encoding", encoding, "--to", file)
                check(kind, f"ours, {encoding}", folder, file, data)
            lines = place / "texts.jsonl"
            # A run of blanks that is an added token stands in GGUF with blanks, so that merges of marks do not make it, in
            # llama.cpp neither.
            compared = [text for text in wanted if kind != "gemma2" or "\u2581" not in text]
            lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in compared), encoding="utf-8")
            assert slmtune("data", "tokenize", "--model", file, lines) == slmtune("data", "tokenize", "--model", folder, lines)
            print(f"  {kind}: ids of {len(compared)} texts equal")
            if kind in ("qwen2", "gemma2"):
                other = place / f"{kind}-other.gguf"
                plain = folder
                if kind == "qwen2":  # rope by default
                    default = dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))
                    plain = tiny_models.make(place / "qwen2-plain", "qwen2", None, default)
                write_elsewhere(kind, plain, file, other)
                data.write_text("".join(json.dumps({"text": text}) + "\n" for text in wanted[:40]), encoding="utf-8")
                check(kind, "by gguf", plain, other, data)


if __name__ == "__main__":
    main()
