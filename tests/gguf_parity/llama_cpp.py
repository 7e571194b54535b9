"""The llama.cpp server of the package xllamacpp, in this process."""

import json
import urllib.request
from pathlib import Path

from tiny_models import skip

try:
    import torch
    import xllamacpp
except ImportError as missing:
    skip(f"{missing.name} is not installed")


class Runtime:
    def __init__(self, path: Path, context: int = 512, adapter: Path | None = None):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = context, 1, 0
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
        parameters.fit_params = parameters.warmup = False
        parameters.use_jinja = True
        parameters.verbosity = 0
        if adapter:
            parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        self.server = xllamacpp.Server(parameters)

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(self.server.listening_address + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def tokenize(self, text: str) -> list[int]:
        """As the server does with every prompt: BOS where the file says so, special tokens found in the text."""
        return self.post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]

    def complete(self, prompt: str | list[int], count: int, probabilities: int) -> dict:
        return self.post("/completion", {"prompt": prompt, "n_predict": count, "temperature": 0.0, "samplers": ["temperature"],
                                         "return_tokens": True, "n_probs": probabilities, "cache_prompt": False})

    def next_token(self, prompt: str | list[int], vocabulary: int) -> "torch.Tensor":
        """Log probabilities of every token behind the prompt; NaN when four tokens make no whole character, since a part of
        one is told of only together with the rest of it."""
        scores = torch.full((vocabulary,), float("nan"), dtype=torch.float64)
        for place in self.complete(prompt, 4, vocabulary).get("completion_probabilities", [])[:1]:
            for token in place["top_logprobs"]:
                scores[token["id"]] = token["logprob"]
        return scores

    def chat_prompt(self, messages: list[dict], **more: object) -> list[int]:
        """Ids that the chat endpoint gives the model: it renders the file's own template and tokenises what comes out."""
        return self.tokenize(self.post("/apply-template", {"messages": messages, **more})["prompt"])

    def chat_prompt_tokens(self, messages: list[dict], **more: object) -> int:
        """How many tokens of prompt the chat endpoint itself counts."""
        answer = self.post("/v1/chat/completions", {"messages": messages, "max_tokens": 1, "temperature": 0.0, **more})
        return answer["usage"]["prompt_tokens"]
