"""Optimiser steps against torch's AdamW, bitsandbytes' 8-bit AdamW and peft's LoRA+ groups.

The 8-bit rule is that of bitsandbytes' CUDA kernel, written out here in numpy (`Adam8bit`): nearest codes, a negative first
moment keeps its sign, the decay comes after the step. Bytes, scales and parameters must be equal to it. The CPU code of
bitsandbytes decays before the step, keeps no signs, and looks its codes up in a coarse table that often misses the nearest
one; so there the scales and the parameters are compared, and the codes counted.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

try:
    import bitsandbytes as bnb
    import bitsandbytes.functional as functional
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

BLOCK = 256
BETAS, EPSILON = (0.9, 0.999), 1e-8
SHAPES = {"square": (128, 128), "odd": (37, 211), "flat": (4096,), "small": (4095,), "tiny": (3,)}


def parameters_and_gradients(steps, smallest=0.1, seed=3):
    """With `smallest` 0 many gradients are so small beside the largest of their block that their codes become 0."""
    torch.manual_seed(seed)
    parameters = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    sizes = {name: smallest + (1 - smallest) * torch.rand(shape) ** 4 for name, shape in SHAPES.items()}
    gradients = [
        {name: torch.randn(shape) * sizes[name] * (0.1 + torch.rand(())) for name, shape in SHAPES.items()}
        for _ in range(steps)
    ]
    return parameters, gradients


def run_tool(folder, parameters, gradients, **settings):
    tensors = {"p." + name: tensor for name, tensor in parameters.items()}
    for step, of_step in enumerate(gradients, 1):
        tensors.update({f"g.{step}.{name}": tensor.clone() for name, tensor in of_step.items()})
    save_file(tensors, folder / "in.safetensors")
    settings = {"weight_decay": 0.0, "plus_ratio": 1.0, "steps": len(gradients), **settings}
    subprocess.run([os.environ["OPTIMIZER_TOOL"], folder / "in.safetensors", folder / "out.safetensors",
                    json.dumps(settings)], check=True)
    return load_file(folder / "out.safetensors")


def step_with(optimizer, tensors, gradients):
    """The steps of an optimiser of torch's kind over the named `tensors`."""
    for of_step in gradients:
        for name, tensor in tensors.items():
            tensor.grad = of_step[name].clone() if name in of_step else None
        optimizer.step()


def apart(ours, theirs):
    return max((ours["p." + name] - tensor).abs().max().item() for name, tensor in theirs.items())


def check_torch(folder):
    parameters, gradients = parameters_and_gradients(20)
    for step in (3, 4, 9):
        del gradients[step]["odd"]  # no gradient in that step: no step of that tensor
    ours = run_tool(folder, parameters, gradients, optimizer="adamw", learning_rate=1e-2, weight_decay=0.1)
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in parameters.items()}
    step_with(torch.optim.AdamW(theirs.values(), lr=1e-2, weight_decay=0.1), theirs, gradients)
    worst = apart(ours, theirs)
    print(f"AdamW, 20 steps: {worst:.1e} from torch's")
    assert worst <= 1e-6, worst
    assert ours["step"].tolist() == [17.0 if name == "odd" else 20.0 for name in sorted(SHAPES)]


class Adam8bit:
    """bitsandbytes, csrc/kernels.cu, kOptimizerStatic8bit2StateBlockwise, in float32 without fused operations."""

    def __init__(self, size):
        self.maps = [functional.create_dynamic_map(signed=True).numpy().astype(np.float32),
                     functional.create_dynamic_map(signed=False).numpy().astype(np.float32)]
        self.middles = [(m[1:] + m[:-1]) * np.float32(0.5) for m in self.maps]
        self.codes = [np.zeros(size, np.uint8) for _ in range(2)]
        self.scales = [np.zeros(-(-size // BLOCK), np.float32) for _ in range(2)]
        self.steps = 0

    def decoded(self, which):
        return self.maps[which][self.codes[which]] * np.repeat(self.scales[which], BLOCK)[: self.codes[which].size]

    def encode(self, which, values):
        padded = np.zeros(self.scales[which].size * BLOCK, np.float32)
        padded[: values.size] = values
        self.scales[which] = np.abs(padded).reshape(-1, BLOCK).max(1)
        with np.errstate(divide="ignore"):
            inverse = np.where(self.scales[which] > 0, np.float32(1) / self.scales[which], np.float32(0))
        normed = padded * np.repeat(inverse, BLOCK).astype(np.float32)
        codes = np.searchsorted(self.middles[which], normed, side="left")
        if which == 0:
            codes -= np.signbit(padded) & (codes == 127)
        self.codes[which] = codes[: values.size].astype(np.uint8)

    def step(self, parameter, gradient, rate, decay):
        self.steps += 1
        one = np.float32
        m = self.decoded(0) * one(BETAS[0]) + gradient * one(1 - BETAS[0])
        v = self.decoded(1) * one(BETAS[1]) + gradient * gradient * one(1 - BETAS[1])
        size = one(rate / (1 - BETAS[0] ** self.steps))
        root = one(1 / np.sqrt(1 - BETAS[1] ** self.steps))
        change = size * m / (np.sqrt(v) * root + one(EPSILON))
        self.encode(0, m)
        self.encode(1, v)
        return (parameter - change) * one(1 - rate * decay)


def check_8bit_bytes(folder, steps):
    parameters, gradients = parameters_and_gradients(steps, smallest=0.0)
    ours = run_tool(folder, parameters, gradients, optimizer="adamw8bit", learning_rate=1e-3, weight_decay=0.01)
    worst, negative_zeros = 0.0, 0
    for name, parameter in parameters.items():
        if parameter.numel() < 4096:
            continue
        rule, values = Adam8bit(parameter.numel()), parameter.numpy().ravel()
        for of_step in gradients:
            values = rule.step(values, of_step[name].numpy().ravel(), 1e-3, 0.01)
        for which, moment in enumerate(("exp_avg", "exp_avg_sq")):
            assert np.array_equal(ours[f"{name}.{moment}"].numpy().ravel(), rule.codes[which]), (name, moment)
            assert np.array_equal(ours[f"{name}.{moment}.absmax"].numpy(), rule.scales[which]), (name, moment)
        negative_zeros += int((rule.codes[0] == 126).sum())
        worst = max(worst, np.abs(ours["p." + name].numpy().ravel() - values).max())
    assert negative_zeros > 0, "no code was nudged: nothing was shown about signs"
    print(f"8-bit AdamW, {steps} steps: bytes and scales equal the written-out rule, parameters {worst:.1e} from it")
    assert worst <= 1e-6, worst


def check_8bit_library(folder, steps):
    parameters, gradients = parameters_and_gradients(steps)
    ours = run_tool(folder, parameters, gradients, optimizer="adamw8bit", learning_rate=1e-4, weight_decay=0.01)
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in parameters.items()}
    optimizer = bnb.optim.AdamW8bit(theirs.values(), lr=1e-4, weight_decay=0.01)
    step_with(optimizer, theirs, gradients)
    different = {"exp_avg": 0, "exp_avg_sq": 0}
    total = 0
    for name, tensor in theirs.items():
        state = optimizer.state[tensor]
        for moment, codes, scale in (("exp_avg", "state1", "absmax1"), ("exp_avg_sq", "state2", "absmax2")):
            if tensor.numel() < 4096:
                assert torch.allclose(ours[f"{name}.{moment}"], state[codes], rtol=1e-5, atol=1e-7), (name, moment)
                continue
            assert torch.allclose(ours[f"{name}.{moment}.absmax"], state[scale], rtol=0.02), (name, moment)
            different[moment] += int((ours[f"{name}.{moment}"] != state[codes]).sum())
            total += tensor.numel() * (moment == "exp_avg")
    worst = apart(ours, theirs)
    moved = max((tensor.detach() - parameters[name]).abs().max().item() for name, tensor in theirs.items())
    print(f"8-bit AdamW, {steps} steps: bitsandbytes' CPU code has {different} of {total} codes elsewhere; parameters "
          f"{worst:.1e} apart of {moved:.1e} that they moved")
    assert worst <= (1e-6 if steps == 1 else 0.1 * moved), worst


def check_loraplus(folder):
    """peft's groups, shown by what three steps with its optimiser do to each tensor."""
    torch.manual_seed(4)
    base = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
                                        num_attention_heads=2, num_key_value_heads=2))
    model = get_peft_model(base, LoraConfig(r=4, use_dora=True, target_modules=["q_proj", "down_proj"]))
    tensors = {name.removeprefix("base_model.model.").replace(".default", "")
               .replace("lora_magnitude_vector.weight", "lora_magnitude_vector"): parameter
               for name, parameter in model.named_parameters() if parameter.requires_grad}
    parameters = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    gradients = [{name: torch.randn_like(tensor) for name, tensor in parameters.items()} for _ in range(3)]
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0,
                                          loraplus_weight_decay=0.01)
    step_with(optimizer, tensors, gradients)
    ours = run_tool(folder, parameters, gradients, optimizer="adamw", learning_rate=1e-3, weight_decay=0.01,
                    plus_ratio=16.0)
    worst = apart(ours, tensors)
    print(f"LoRA+, {len(tensors)} tensors: {worst:.1e} from peft's groups")
    assert worst <= 1e-6, worst
    without = run_tool(folder, parameters, gradients, optimizer="adamw", learning_rate=1e-3, weight_decay=0.01)
    assert apart(without, tensors) > 1e-3, "the ratio changed nothing"


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        check_torch(folder)
        for steps in (1, 20):
            check_8bit_bytes(folder, steps)
            check_8bit_library(folder, steps)
        check_loraplus(folder)


if __name__ == "__main__":
    main()
