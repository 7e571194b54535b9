"""Our GGUF files in the llama.cpp runtime: they load, tokenise alike, give the logits of transformers, and their greedy
continuation is the one `slmtune generate` gives.

Random weights make near ties between the first two tokens, where rounding decides. So prompts are taken from a larger
pool: those on whose path the first token leads by MARGIN or more according to transformers. The numbers of both are
printed, and too few are a failure.
"""

import json
import tempfile
import urllib.request
from pathlib import Path

import tiny_models
from tiny_models import skip, slmtune

try:
    import torch
    import xllamacpp
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
except ImportError as missing:
    skip(f"{missing.name} is not installed")

POOL, NEEDED, TOKENS, MARGIN = 80, 20, 8, 0.04
# In each product llama.cpp rounds the activations to the type of the weights, so even exact weights give a difference;
# the bytes themselves are checked in gguf_reader_parity.py. Logits have a standard deviation of about 3.4 here.
LARGEST_LOGPROB_ERROR = {"f16": 0.03, "bf16": 0.25, "q8_0": 1.0}


class Runtime:
    """A llama.cpp server inside this process."""

    def __init__(self, path: Path):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = 512, 1, 0
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
        parameters.fit_params = parameters.warmup = False
        parameters.verbosity = 0
        self.server = xllamacpp.Server(parameters)

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(self.server.listening_address + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def tokenize(self, text: str) -> list[int]:
        return self.post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]

    def greedy(self, prompt: str, count: int) -> dict:
        return self.post("/completion", {"prompt": prompt, "n_predict": count, "temperature": 0.0, "samplers": ["temperature"],
                                         "return_tokens": True, "n_probs": 5, "cache_prompt": False})


class Reference:
    """transformers in float32 on the same folder."""

    def __init__(self, folder: Path):
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        eos = self.model.config.eos_token_id
        # llama.cpp and slmtune end a generation at these texts too, whatever the config names as eos.
        texts = [text for text in ("<|endoftext|>", "<|im_end|>") if text in self.tokenizer.get_vocab()]
        self.stops = {*(eos if isinstance(eos, list) else [eos]), *self.tokenizer.convert_tokens_to_ids(texts)}

    @torch.no_grad()
    def greedy(self, ids: list[int], count: int) -> tuple[list[int], list[torch.Tensor], float]:
        """Continuation (a stop token ends it), log probabilities of each step, smallest lead of the first token."""
        ids, new, steps, lead = list(ids), [], [], float("inf")
        for _ in range(count):
            scores = self.model(torch.tensor([ids])).logits[0, -1].double()
            first, second = scores.topk(2).values.tolist()
            lead = min(lead, first - second)
            steps.append(scores.log_softmax(-1))
            new.append(int(scores.argmax()))
            ids.append(new[-1])
            if new[-1] in self.stops:
                break
        return new, steps, lead


def without_stop(ids: list[int], stops: set[int]) -> list[int]:
    return ids[:-1] if ids and ids[-1] in stops else ids


def largest_error(answer: dict, steps: list) -> float:
    """Over the five best log probabilities of each step. The server leaves out tokens that end within a character."""
    worst, reported = 0.0, iter(answer.get("completion_probabilities", []))
    found = next(reported, None)
    for token, expected in zip(answer["tokens"], steps):
        if found is None or found["id"] != token:
            continue
        for candidate in found["top_logprobs"]:
            worst = max(worst, abs(candidate["logprob"] - float(expected[candidate["id"]])))
        found = next(reported, None)
    assert found is None, "log probabilities of other tokens than the answer's"
    return worst


def check_f16(runtime: Runtime, reference: Reference, folder: Path) -> None:
    compared, left_out, worst = 0, 0, 0.0
    for prompt in tiny_models.prompts(POOL):
        ids = reference.tokenizer(prompt)["input_ids"]
        assert runtime.tokenize(prompt) == ids, f"token ids differ: {prompt!r}"
        expected, steps, lead = reference.greedy(ids, TOKENS)
        if lead < MARGIN:
            left_out += 1
            continue
        answer = runtime.greedy(prompt, TOKENS)
        theirs = without_stop(answer["tokens"], reference.stops)
        ours = json.loads(slmtune("generate", folder, "--prompt", prompt, "--raw", "--greedy", "--max-tokens", TOKENS,
                                  "--device", "cpu", "--dtype", "float32", "--json"))["ids"]
        ours = without_stop(ours, reference.stops)
        assert theirs == ours == without_stop(expected, reference.stops), (prompt, theirs, ours, expected)
        worst = max(worst, largest_error(answer, steps))
        compared += 1
        if compared == NEEDED:
            break
    print(f"  f16: {compared} continuations equal, {left_out} left out as near ties, log probabilities within {worst:.2g}")
    assert compared >= NEEDED, "too few prompts without near ties"
    assert worst <= LARGEST_LOGPROB_ERROR["f16"], worst


def check_rounded(runtime: Runtime, reference: Reference, encoding: str) -> None:
    worst = 0.0
    for prompt in tiny_models.prompts(10):
        _, steps, _ = reference.greedy(reference.tokenizer(prompt)["input_ids"], 1)
        worst = max(worst, largest_error(runtime.greedy(prompt, 1), steps))
    print(f"  {encoding}: loads, log probabilities within {worst:.2g}")
    assert worst <= LARGEST_LOGPROB_ERROR[encoding], worst


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for kind, make in tiny_models.MAKERS.items():
            print(kind)
            folder = make(Path(temporary) / kind)
            reference = Reference(folder)
            for encoding in LARGEST_LOGPROB_ERROR:
                path = Path(temporary) / f"{kind}-{encoding}.gguf"
                slmtune("export", folder, "--format", "gguf", "--encoding", encoding, "--to", path)
                runtime = Runtime(path)
                if encoding == "f16":
                    check_f16(runtime, reference, folder)
                else:
                    check_rounded(runtime, reference, encoding)
                del runtime


if __name__ == "__main__":
    main()
