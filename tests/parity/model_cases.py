"""The shapes on which every family is compared with transformers: at least six each."""
from tiny_models import LLAMA3_ROPE, longrope

# Rows of the tests are up to 150 tokens long, so these windows and lengths are all shorter.
LINEAR = dict(rope_type="linear", factor=4.0)
DYNAMIC = dict(rope_type="dynamic", factor=3.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=40)
# old: config.json in the words of transformers 4.x; dtype: of the stored weights.
CASES = {
    "llama": {
        "llama3 rope": dict(),
        "tied, one key head": dict(tie_word_embeddings=True, num_key_value_heads=1),
        "plain rope, old config": dict(rope_parameters=None, old=True),
        "linear rope, as many key heads": dict(rope_parameters=LINEAR, num_key_value_heads=4),
        "dynamic rope": dict(rope_parameters=DYNAMIC, max_position_embeddings=48),
        "yarn": dict(rope_parameters=YARN),
        "biases, wide heads": dict(attention_bias=True, mlp_bias=True, head_dim=32,
                                   num_key_value_heads=1),
        "bf16": dict(dtype="bfloat16", rope_parameters=LLAMA3_ROPE, old=True),
        "f16": dict(dtype="float16"),
    },
    "qwen2": {
        "plain": dict(),
        "tied": dict(tie_word_embeddings=True),
        "one key head, three layers": dict(num_key_value_heads=1, num_hidden_layers=3),
        "narrow heads": dict(head_dim=6, num_key_value_heads=4),
        "yarn, old config": dict(rope_parameters=dict(YARN, rope_theta=1e6), old=True),
        "window in the upper layers": dict(use_sliding_window=True, sliding_window=11,
                                           max_window_layers=1, num_hidden_layers=3),
        "bf16": dict(dtype="bfloat16", tie_word_embeddings=True),
        "f16": dict(dtype="float16"),
    },
    "mistral": {
        "head_dim of its own": dict(),
        "window": dict(sliding_window=13),
        "window of two tokens, one key head": dict(sliding_window=2, num_key_value_heads=1),
        "window longer than a block, old config": dict(sliding_window=131, old=True),
        "tied, no head_dim": dict(tie_word_embeddings=True, head_dim=None, num_key_value_heads=4),
        "six heads in threes": dict(num_attention_heads=6, num_key_value_heads=2, head_dim=10),
        "linear rope, bf16": dict(rope_parameters=LINEAR, dtype="bfloat16", sliding_window=32),
    },
    "gemma2": {
        "windows, soft-caps, untied": dict(),
        "tied, old config": dict(tie_word_embeddings=True, old=True),
        "no soft-caps, sharded": dict(
            max_shard_size="60KB", attn_logit_softcapping=None, final_logit_softcapping=None),
        "attention soft-cap only, one key head": dict(final_logit_softcapping=None,
                                                      num_key_value_heads=1),
        "layer_types of its own": dict(
            num_hidden_layers=3, layer_types=["full_attention", "sliding_attention",
                                              "sliding_attention"]),
        "window longer than the text, biases": dict(sliding_window=4096, attention_bias=True),
        "odd sizes": dict(hidden_size=42, num_attention_heads=6, num_key_value_heads=3,
                          head_dim=14, intermediate_size=50, num_hidden_layers=3),
        "bf16": dict(dtype="bfloat16", tie_word_embeddings=True),
    },
    "phi3": {
        "plain": dict(),
        "window, tied, sharded": dict(sliding_window=15, max_shard_size="60KB", tie_word_embeddings=True),
        "three quarters turn": dict(rope_parameters=dict(rope_type="default",
                                                         partial_rotary_factor=0.75)),
        "longrope, short text": dict(rope_parameters=longrope(8), max_position_embeddings=2048),
        "longrope, long text": dict(rope_parameters=longrope(8), max_position_embeddings=512,
                                    original_max_position_embeddings=32),
        "longrope crossed, partial, old config": dict(
            rope_parameters=longrope(6, partial_rotary_factor=0.75), old=True,
            max_position_embeddings=512, original_max_position_embeddings=41,
            num_key_value_heads=1),
        "odd share of the head": dict(
            hidden_size=40, rope_parameters=dict(rope_type="default", partial_rotary_factor=0.7),
            num_key_value_heads=4),
        "bf16": dict(dtype="bfloat16", sliding_window=60),
    },
}
