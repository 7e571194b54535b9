#!/usr/bin/env python3
"""Writes the files the fuzzers start from: small good files of every format, in seeds/<target>/.

Run it after a format changed:  python3 tests/fuzz/make_seeds.py
"""
import base64
import json
import math
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tokenizer_parity"))
import chat_templates

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN_SPLIT = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def text_of(value):
    return json.dumps(value, ensure_ascii=False).encode()


def safetensors():
    header = {"__metadata__": {"format": "pt"},
              "a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
              "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]},
              "none": {"dtype": "I64", "shape": [0, 7], "data_offsets": [22, 22]},
              "one": {"dtype": "U8", "shape": [], "data_offsets": [22, 23]}}
    raw = text_of(header)
    yield "tensors", struct.pack("<Q", len(raw)) + raw + bytes(23)
    yield "empty", struct.pack("<Q", 8) + b"{}      "


def gguf_text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_file(entries, tensors, data, alignment=32):
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + b"".join(tensors)
    return out + bytes(-len(out) % alignment) + data


def gguf_entry(key, kind, raw):
    return gguf_text(key) + struct.pack("<I", kind) + raw


def gguf_array(kind, count, raw):
    return struct.pack("<IQ", kind, count) + raw


def gguf_tensor(name, sizes, kind, offset):
    return gguf_text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def gguf_model(vocabulary):
    """A llama of one layer: hidden 8, two heads, one of them for keys, eight tokens."""
    text = lambda key, value: gguf_entry(key, 8, gguf_text(value))
    count = lambda key, value: gguf_entry(key, 4, struct.pack("<I", value))
    entries = [text("general.architecture", "llama"), text("general.type", "model"), count("llama.context_length", 16),
               count("llama.embedding_length", 8), count("llama.block_count", 1), count("llama.feed_forward_length", 4),
               count("llama.attention.head_count", 2), count("llama.attention.head_count_kv", 1),
               gguf_entry("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)), *vocabulary(text, count)]
    shapes = {"token_embd": [8, 8], "blk.0.attn_norm": [8], "blk.0.attn_q": [8, 8], "blk.0.attn_k": [8, 4],
              "blk.0.attn_v": [8, 4], "blk.0.attn_output": [8, 8], "blk.0.ffn_norm": [8], "blk.0.ffn_gate": [8, 4],
              "blk.0.ffn_up": [8, 4], "blk.0.ffn_down": [4, 8], "output_norm": [8], "rope_freqs": [2]}
    tensors, offset = [], 0
    for name, sizes in shapes.items():
        tensors.append(gguf_tensor(name + ".weight", sizes, 0, offset))
        offset += -(-4 * math.prod(sizes) // 32) * 32
    return gguf_file(entries, tensors, struct.pack("<f", 1.0) * (offset // 4))


def byte_level_vocabulary(text, count):
    tokens, merges = ["a", "b", "c", "ab", "abc", "\u0120", "<|im_end|>", "[PAD7]"], ["a b", "ab c"]
    return [text("tokenizer.ggml.model", "gpt2"), text("tokenizer.ggml.pre", "qwen2"),
            gguf_entry("tokenizer.ggml.tokens", 9, gguf_array(8, 8, b"".join(map(gguf_text, tokens)))),
            gguf_entry("tokenizer.ggml.token_type", 9, gguf_array(5, 8, struct.pack("<8i", 1, 1, 1, 1, 1, 1, 3, 5))),
            gguf_entry("tokenizer.ggml.merges", 9, gguf_array(8, 2, b"".join(map(gguf_text, merges)))),
            count("tokenizer.ggml.eos_token_id", 6), text("tokenizer.chat_template", "{{ '<|im_start|>' }}")]


def sentencepiece_vocabulary(text, count):
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "\u2581", "\u2581a"]
    return [text("tokenizer.ggml.model", "llama"), text("general.name", "Phi-3"),
            gguf_entry("tokenizer.ggml.tokens", 9, gguf_array(8, 8, b"".join(map(gguf_text, tokens)))),
            gguf_entry("tokenizer.ggml.token_type", 9, gguf_array(5, 8, struct.pack("<8i", 2, 3, 3, 1, 1, 1, 1, 1))),
            gguf_entry("tokenizer.ggml.scores", 9, gguf_array(6, 8, struct.pack("<8f", 0, 0, 0, -3, -4, 0, -5, -1))),
            gguf_entry("tokenizer.ggml.add_space_prefix", 7, b"\x01"), count("tokenizer.ggml.bos_token_id", 1)]


def gguf():
    entry, array, tensor = gguf_entry, gguf_array, gguf_tensor
    scalars = [entry("general.architecture", 8, gguf_text("llama")), entry("a.u8", 0, b"\x01"), entry("a.i8", 1, b"\xff"),
               entry("a.u16", 2, b"\x01\x02"), entry("a.i16", 3, b"\x01\x02"), entry("a.u32", 4, bytes(4)),
               entry("a.i32", 5, bytes(4)), entry("a.f32", 6, bytes(4)), entry("a.bool", 7, b"\x01"),
               entry("a.u64", 10, bytes(8)), entry("a.i64", 11, bytes(8)), entry("a.f64", 12, bytes(8))]
    arrays = [entry("general.alignment", 4, struct.pack("<I", 64)),
              entry("tokens", 9, array(8, 2, gguf_text("a") + gguf_text("<s>"))),
              entry("types", 9, array(5, 2, bytes(8))), entry("flags", 9, array(7, 3, b"\x00\x01\x00")),
              entry("scores", 9, array(6, 2, bytes(8))), entry("bytes", 9, array(0, 3, b"abc"))]
    yield "scalars", gguf_file(scalars, [], b"")
    yield "arrays", gguf_file(arrays, [tensor("w", [4], 0, 0)], bytes(16), 64)
    yield "tensors", gguf_file([], [tensor("v", [8], 0, 0), tensor("q", [32, 2], 8, 32)], bytes(128))
    yield "byte_level_model", gguf_model(byte_level_vocabulary)
    yield "sentencepiece_model", gguf_model(sentencepiece_vocabulary)


def json_files():
    yield "index", text_of({"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00001.safetensors"}})
    yield "values", b'{"a": [1, -2, 3.5e2, true, false, null, "\\u00fc\\n", {}], "b": {"c": {"d": [[]]}}}'
    yield "long_number", b'{"a": 1000000000000000019884624838656}'


def yaml_files():
    yield "recipe", b"""# a recipe
name: faq
store: runs/faq
model: {path: models/tiny, dtype: auto}
lora: {rank: 16, alpha: 32.0, dropout: 0.0, targets: [q_proj, 'v_proj']}
data:
  train:
    - {path: data/faq.jsonl, weight: 1.5}
  valid: {fraction: 0.05}
train: {epochs: 2, learning_rate: 2.0e-4, max_minutes: null, flag: true}
"""
    yield "anchors", b"a: &x {b: 1, c: [1, 2]}\nd: *x\ne: |\n  lines\n  more\nf: >-\n  folded\n"
    yield "mistakes", b"a: 1\na: 2\n? [x]\n: y\n"
    yield "override", b"a.b=[1, {c: d}]"


def rows():
    user, answer = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
    call = {"id": "call00001", "type": "function", "function": {"name": "f", "arguments": {"x": [1, "a", None]}}}
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    shapes = {
        "messages": {"messages": [{"role": "system", "content": "s"}, user, dict(answer, train=True)]},
        "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, dict(answer, weight=1)]},
        "tools": {"tools": [tool], "messages": [user, {"role": "assistant", "tool_calls": [call]},
                                               {"role": "tool", "tool_call_id": "call00001", "content": "2"}, answer]},
        "sharegpt": {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        "alpaca": {"instruction": "i", "input": "j", "output": "o", "history": [["q", "a"]]},
        "completion": {"prompt": "p", "completion": "c"},
        "qa": {"question": "q", "answer": "a"},
        "tokens": {"input_ids": [1, 2, 3], "attention_mask": [1, 1, 1], "labels": [-100, 2, 3]},
        "text": {"text": "plain \u00fc\u4e2d"}}
    for name, row in shapes.items():
        yield name, text_of(row) + b"\n"
    yield "all", b"\xef\xbb\xbf" + b"\r\n\n".join(text_of(row) for row in shapes.values())


def byte_alphabet():
    """The printable character that stands for each byte in byte-level vocabularies, as GPT-2 chose them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(rest)}


def special(number, text):
    return {"id": number, "content": text, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
            "single_word": False}


def tokenizer_json():
    alphabet = byte_alphabet()
    vocabulary = {alphabet[byte]: byte for byte in range(256)} | {"ab": 256, "abc": 257}
    split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    yield "byte_level", text_of({
        "added_tokens": [special(258, "<|im_end|>")], "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": ["a b", ["ab", "c"]], "ignore_merges": False}})
    pieces = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "c", "ab", "\u2581ab"]
    yield "llama", text_of({
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": False,
                  "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": ["a b", "\u2581 ab"]}})


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece():
    normal, unknown, control, user, byte = 1, 2, 3, 4, 6
    pieces = [("<unk>", unknown), ("<s>", control), ("</s>", control), ("<x>", user)]
    more = [(text, normal) for text in ["ab", "\u2581ab", "abc", "\u2581", "a", "b", "c"]]
    every = [(f"<0x{value:02X}>", byte) for value in range(256)]
    for name, chosen, fallback in [("small", pieces + more, 0), ("bytes", pieces + every + more, 1)]:
        out = b"".join(field(1, field(1, text.encode()) + field(2, -float(i)) + field(3, kind))
                       for i, (text, kind) in enumerate(chosen))
        out += field(2, field(3, 2) + field(35, fallback))
        out += field(3, field(1, b"identity") + field(3, 1) + field(4, 0) + field(5, 1))
        yield name, out


def tekken():
    pieces = [bytes([value]) for value in range(256)] + [b"ab", b"abc"]
    vocabulary = [{"rank": i, "token_bytes": base64.b64encode(raw).decode(), "token_str": None}
                  for i, raw in enumerate(pieces)]
    config = {"pattern": TEKKEN_SPLIT, "num_vocab_tokens": 258, "default_vocab_size": 278,
              "default_num_special_tokens": 20, "version": "v3"}
    yield "v3", text_of({"config": config, "vocab": vocabulary})
    specials = [{"rank": i, "token_str": text, "is_control": True} for i, text in enumerate(["<unk>", "<s>", "</s>"])]
    yield "v7", text_of({"config": config, "vocab": vocabulary, "special_tokens": specials})


def chat_template():
    for i, template in enumerate(chat_templates.TEMPLATES):
        yield f"{i:02}-{template.name}", template.jinja.encode()
    yield "config", text_of({"chat_template": [{"name": "default", "template": chat_templates.CHATML}]})


def config():
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 64, "rms_norm_eps": 1e-05,
             "rope_theta": 10000.0, "tie_word_embeddings": False, "hidden_act": "silu", "eos_token_id": [2, 3],
             "pad_token_id": None}
    llama = dict(shape, architectures=["LlamaForCausalLM"], model_type="llama", head_dim=4, sliding_window=8)
    scalings = {
        "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 32},
        "yarn": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
        "linear": {"type": "linear", "factor": 2.0}}
    for name, scaling in scalings.items():
        yield name, text_of(dict(llama, rope_scaling=scaling, layer_types=["sliding_attention", "full_attention"]))
    yield "phi3", text_of(dict(shape, architectures=["Phi3ForCausalLM"], partial_rotary_factor=1.0, rope_scaling={
        "type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [3.0, 4.0]}, original_max_position_embeddings=32))


def adapter_config():
    plain = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "base", "r": 8, "lora_alpha": 16,
             "lora_dropout": 0.0, "target_modules": ["q_proj", "v_proj"], "bias": "none", "use_rslora": False,
             "modules_to_save": None, "init_lora_weights": True}
    yield "list", text_of(plain)
    yield "patterns", text_of(dict(plain, target_modules=r".*\.(q|v)_proj", use_rslora=True,
                                   rank_pattern={"q_proj": 4, r".*layers\.0.*": 4}, alpha_pattern={"v_proj": 8.5}))


def store():
    yield "manifest", text_of({
        "schema": 1, "number": 1, "name": "faq", "created": "2026-01-31T09:05:07Z", "method": "lora", "parent": "",
        "base_path": "models/tiny", "program_version": "0.1.0", "run": "20260131T090507Z-1a2b", "hashes": {"base": "00"},
        "metrics": {"loss": 1.5}, "files": {"adapter_model.safetensors": {"sha256": "00", "bytes": 8}}})
    yield "aliases", text_of({"latest": 1, "production": 1, "previous": 1})
    yield "journal", b"\n".join(text_of({"time": "2026-01-31T09:05:07Z", "action": action, "number": 1, "alias": "latest",
                                         "reason": "test", "who": "me", "crc": "00000000"})
                                for action in ["claim", "publish"]) + b"\n"


def checkpoint():
    files = {name: {"bytes": 7, "sha256": "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"}
             for name in ["model.safetensors", "optimizer.safetensors"]}
    state = {"step": 10, "rows_seen": 160, "tokens_seen": 1000, "seconds": 1.5, "first_loss": 3.0, "last_loss": 2.0,
             "valid_loss": None, "best_valid_loss": 2.5, "valid_step": 10, "best_valid_step": 5, "skipped_steps": 0,
             "metrics": {"kl": 0.25}, "valid_metrics": {"reward_accuracy": 0.5}, "bad_steps": 0, "identity": {"data": "00", "base": "11"}, "files": files}
    for version in [1, 2]:
        yield f"format{version}", text_of(dict(state, format=version))


TARGETS = {"safetensors": safetensors, "gguf": gguf, "json": json_files, "yaml": yaml_files, "rows": rows,
           "tokenizer_json": tokenizer_json, "sentencepiece": sentencepiece, "tekken": tekken,
           "chat_template": chat_template, "config": config, "adapter_config": adapter_config, "store": store,
           "checkpoint": checkpoint}

if __name__ == "__main__":
    for target, seeds in TARGETS.items():
        folder = HERE / "seeds" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, raw in seeds():
            (folder / name).write_bytes(raw)
