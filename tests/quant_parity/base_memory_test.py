"""A base that is quantised while it is loaded takes its compressed bytes, those of embedding and head in their file's 16
bits, and little more, as the system counts them."""
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["SLMTUNE_SOURCE"]) / "benchmarks"))

from quantised_base import measure
from training_cases import config_of

# 134 million weights in linears.
SHAPE = {**config_of("qwen2-0.5b", "bfloat16"), "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 9,
         "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 16384}
BOUNDS = {"nf4": 0.52, "int8": 1.01}
SLACK = 0.03  # the buffers of reading one weight, 4 MB


def main():
    with tempfile.TemporaryDirectory() as place:
        found, weights = measure(os.environ["SLMTUNE"], pathlib.Path(place), SHAPE)
    for quant, bound in BOUNDS.items():
        used = found[quant]["bytes_per_weight"]
        print(f"{quant}: {used:.3f} bytes per weight of {weights / 1e6:.0f} million (bound {bound} + {SLACK})")
        assert used <= bound + SLACK, quant


if __name__ == "__main__":
    main()
