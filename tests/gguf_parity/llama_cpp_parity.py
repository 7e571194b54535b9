"""Our GGUF files of every family in the llama.cpp runtime: they load in every encoding, tokenise prompts and chats alike,
give our logits, and their greedy continuation is ours.

Logits are those of our own forward pass (parity_tool) within 2e-3 where an F32 file keeps llama.cpp from rounding anything
else: in each product it rounds the activations to the type of the weights. So from an F16 file, which holds the very same
numbers, the logits are further off (LARGEST_ROUNDING); rounding the activations of a reference likewise only halves that,
since the last bit before the rounding already depends on the order of sums.

Random weights make near ties between the first two tokens, where rounding decides. So prompts are taken from a larger
pool: those on whose path the first token leads by MARGIN or more according to transformers. The numbers of both are
printed, and too few are a failure.

SLMTUNE_COUNTS=full: 50 continuations, all encodings for all families, and chats through vocabularies of published size.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import chats
import tiny_models
import tiny_tokenizers
from tiny_models import FULL, skip, slmtune

try:
    import torch
    from llama_cpp import Runtime
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
except ImportError as missing:
    skip(f"{missing.name} is not installed")

POOL, NEEDED = (240, 50) if FULL else (30, 6)
COMPARED = 20 if FULL else 6  # prompts whose logits are compared, token by token of the vocabulary
TOKENS, MARGIN = 8, 0.04
LARGEST_LOGIT_ERROR = 2e-3
LARGEST_ROUNDING = 0.05  # log probabilities have a standard deviation of 3 to 7 here
# Root mean square of the error of log probabilities, by their standard deviation and the bits of the encoding's name.
LARGEST_SPREAD = {"2": 1.2, "3": 0.7, "4": 0.45, "5": 0.25, "6": 0.13, "8": 0.05, "16": 0.02, "32": 0.002}


def bits_of(encoding: str) -> str:
    return re.search(r"\d+", encoding)[0]


def encodings() -> list[str]:
    """What the program offers, by its own words."""
    folder = tiny_models.SOURCE / "configs/models/tiny"
    done = subprocess.run([tiny_models.program(), "export", folder, "--format", "gguf", "--encoding", "none", "--to", "none"],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "unknown encoding" in done.stderr, done.stderr
    names = re.findall(r"'([a-z]+\d\w*)'", done.stderr)
    assert {"f32", "f16", "bf16", "q8_0"} <= set(names), done.stderr
    return names


class Reference:
    """transformers in float32 on the same folder."""

    def __init__(self, folder: Path):
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        eos = self.model.config.eos_token_id
        # llama.cpp and slmtune end a generation at these texts too, whatever the config names as eos.
        texts = ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>", "<eos>", "</s>"]
        texts = [text for text in texts if text in self.tokenizer.get_vocab()]
        self.stops = {*(eos if isinstance(eos, list) else [eos]), *self.tokenizer.convert_tokens_to_ids(texts)}
        self.vocabulary = self.model.config.vocab_size

    @torch.no_grad()
    def greedy(self, ids: list[int], count: int) -> tuple[list[int], float]:
        """Continuation (a stop token ends it), smallest lead of the first token."""
        ids, new, lead = list(ids), [], float("inf")
        for _ in range(count):
            first, second = self.model(torch.tensor([ids])).logits[0, -1].topk(2).values.tolist()
            lead = min(lead, first - second)
            new.append(int(self.model(torch.tensor([ids])).logits[0, -1].argmax()))
            ids.append(new[-1])
            if new[-1] in self.stops or lead < MARGIN:
                break
        return new, lead


class Ours:
    """slmtune's forward pass and greedy continuations of some prompts, in one process."""

    def __init__(self, folder: Path, rows: list[list[int]], prompts: list[list[int]], place: Path):
        job = {"model": str(folder), "out": str(place), "rows": rows, "labels": [[-100, *row[1:]] for row in rows],
               "prompts": prompts, "new_tokens": TOKENS}
        subprocess.run([os.environ["PARITY_TOOL"]], input=json.dumps(job), text=True, check=True)
        found = load_file(place)
        ends = torch.tensor([len(row) for row in rows]).cumsum(0) - 1
        self.next_token = found["logits"][ends].double().log_softmax(-1)
        self.texts = [found[f"text.{i}"].int().tolist() for i in range(len(prompts))]


def until_stop(ids: list[int], stops: set[int]) -> list[int]:
    for i, token in enumerate(ids):
        if token in stops:
            return ids[:i]
    return ids


def export(folder: Path, encoding: str, to: Path) -> Path:
    """Without the limits on quality: random weights lose much by few bits."""
    slmtune("export", folder, "--format", "gguf", "--encoding", encoding, "--to", to, "--no-verify")
    return to


def error(theirs: torch.Tensor, ours: torch.Tensor) -> float:
    assert not theirs.isnan().any(), "log probabilities of some tokens are missing"
    return (theirs - ours).abs().max().item()


def whole_next(folder: Path, ids: list[list[int]], ours: Ours) -> tuple[list[list[int]], Ours]:
    """Without the prompts behind which a part of a character follows: of that the server tells no probabilities."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    kept = [i for i, scores in enumerate(ours.next_token) if "\ufffd" not in tokenizer.decode([int(scores.argmax())])]
    assert 2 * len(kept) > len(ids), "too few prompts are left"
    ours.next_token = ours.next_token[kept]
    return [ids[i] for i in kept], ours


def check_logits(path: Path, ids: list[list[int]], ours: Ours, bound: float) -> Runtime:
    runtime = Runtime(path)
    worst = max(error(runtime.next_token(row, ours.next_token.shape[1]), expected)
                for row, expected in zip(ids, ours.next_token))
    print(f"  {path.stem}: logits behind {len(ids)} prompts of up to {max(map(len, ids))} tokens within {worst:.2g} of slmtune's")
    assert worst <= bound, worst
    return runtime


def check_greedy(runtime: Runtime, reference: Reference, folder: Path, place: Path) -> None:
    chosen, left_out = [], 0
    for prompt in tiny_models.prompts(POOL):
        ids = reference.tokenizer(prompt)["input_ids"]
        expected, lead = reference.greedy(ids, TOKENS)
        left_out += lead < MARGIN
        if lead >= MARGIN:
            chosen.append((prompt, ids, until_stop(expected, reference.stops)))
        if len(chosen) == NEEDED:
            break
    assert len(chosen) == NEEDED, f"only {len(chosen)} prompts without near ties"
    ours = Ours(folder, [chosen[0][1]], [ids for _, ids, _ in chosen], place)
    for (prompt, ids, expected), found in zip(chosen, ours.texts):
        theirs = until_stop(runtime.complete(ids, TOKENS, 0)["tokens"], reference.stops)
        assert theirs == until_stop(found, reference.stops) == expected, (prompt, theirs, found, expected)
    said = json.loads(slmtune("generate", folder, "--prompt", chosen[-1][0], "--raw", "--greedy", "--max-tokens", TOKENS,
                              "--device", "cpu", "--dtype", "float32", "--json"))["ids"]
    assert until_stop(said, reference.stops) == chosen[-1][2], (said, chosen[-1])
    print(f"  f16: {len(chosen)} continuations equal, {left_out} left out as near ties")


def check_prompts(runtime: Runtime, tokenizer: PreTrainedTokenizerFast) -> None:
    for prompt in tiny_models.prompts(POOL):
        assert runtime.tokenize(prompt) == tokenizer(prompt)["input_ids"], f"token ids differ: {prompt!r}"


def check_encoding(path: Path, encoding: str, ids: list[list[int]], ours: Ours) -> None:
    runtime = Runtime(path)
    theirs = torch.stack([runtime.next_token(row, ours.next_token.shape[1]) for row in ids[:3]])
    expected = ours.next_token[:3]
    spread = ((theirs - expected).square().mean().sqrt() / expected.std()).item()
    print(f"  {encoding}: loads, log probabilities differ by {spread:.2g} of their spread", flush=True)
    assert spread <= LARGEST_SPREAD[bits_of(encoding)], spread


def check_family(kind: str, folder: Path, others: list[str], place: Path) -> None:
    print(kind, flush=True)
    reference = Reference(folder)
    ids = [reference.tokenizer(prompt)["input_ids"] for prompt in tiny_models.prompts(COMPARED)]
    ids, ours = whole_next(folder, ids, Ours(folder, ids, [], place / f"{kind}.safetensors"))
    check_logits(export(folder, "f32", place / f"{kind}-f32.gguf"), ids, ours, LARGEST_LOGIT_ERROR)
    runtime = check_logits(export(folder, "f16", place / f"{kind}-f16.gguf"), ids, ours, LARGEST_ROUNDING)
    check_prompts(runtime, reference.tokenizer)
    check_greedy(runtime, reference, folder, place / f"{kind}.safetensors")
    chats.check(runtime, folder)
    del runtime
    for encoding in others:
        check_encoding(export(folder, encoding, place / f"{kind}-{encoding}.gguf"), encoding, ids, ours)


def check_variant(name: str, folder: Path, place: Path) -> None:
    """Logits and chats. Prompts are none of it: a blank in front of the whole text only, as mistral-v3 has it, is what
    llama.cpp cannot do, so that the file is made for chats."""
    print(name, flush=True)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    ids = [tokenizer(prompt)["input_ids"] for prompt in tiny_models.prompts(COMPARED)]
    ids, ours = whole_next(folder, ids, Ours(folder, ids, [], place / f"{name}.safetensors"))
    runtime = check_logits(export(folder, "f32", place / f"{name}-f32.gguf"), ids, ours, LARGEST_LOGIT_ERROR)
    if FULL or name == "mistral-v3":
        chats.check(runtime, folder)


def check_long_text(folder: Path, place: Path) -> None:
    """A text longer than the original context is turned by the long factors, which llama.cpp takes by its context."""
    reference = Reference(folder)
    ids = reference.tokenizer(" ".join(tiny_models.prompts(60)))["input_ids"][:700]
    ours = Ours(folder, [ids], [], place / "long.safetensors")
    theirs = Runtime(place / "phi3-f32.gguf", context=1024).next_token(ids, reference.vocabulary)
    worst = error(theirs, ours.next_token[0])
    print(f"phi3, {len(ids)} tokens by the long factors: logits within {worst:.2g}")
    assert worst <= LARGEST_LOGIT_ERROR, worst


def check_sentencepiece_model(folder: Path, place: Path) -> None:
    """tokenizer.model alone makes the ids of the tokenizer.json with the same pieces."""
    print("mistral from tokenizer.model")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    alone = place / "mistral-model"
    shutil.copytree(folder, alone)
    (alone / "tokenizer.json").unlink()
    tiny_tokenizers.write_sentencepiece(alone / "tokenizer.model")
    runtime = Runtime(export(alone, "f16", place / "mistral-model.gguf"))
    check_prompts(runtime, tokenizer)
    chats.check(runtime, alone)


def main() -> None:
    for variable in ("PARITY_TOOL", "RENDER_LINES", "PARITY_CACHE"):
        if variable not in os.environ:
            skip(f"{variable} is not set")
    offered = [name for name in encodings() if name not in ("f32", "f16")]
    everywhere = ["q8_0", "q4_k_m", "q6_k"]
    rest = [name for name in offered if name not in everywhere]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for number, (kind, make) in enumerate(tiny_models.MAKERS.items()):
            turn = rest if FULL else rest[number::len(tiny_models.MAKERS)]
            others = [name for name in offered if name in everywhere or name in turn]
            check_family(kind, make(place / kind), others, place)
        check_long_text(place / "phi3", place)
        check_sentencepiece_model(place / "mistral", place)
        for name in tiny_models.VARIANTS:
            check_variant(name, tiny_models.make_variant(place / name, name), place)
        if FULL:
            chats.check_published(place, export)


if __name__ == "__main__":
    main()
