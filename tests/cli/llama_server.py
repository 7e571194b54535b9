"""The command line of llama-server over the real llama.cpp server of xllamacpp: what `slmtune deploy` starts in tests.

It takes the arguments that slmtune gives (-m, --host, --port, --alias, --api-key-file) and of its own --ctx-size, and
--chat-template, which makes the server read chats in another way. LLAMA_SERVER_FAULT=exit ends it at the start, =slow lets it
take its time. Into the file LLAMA_SERVER_MEMINFO, where there is one, it writes what /proc/meminfo says on a computer whose memory
it fills.
"""
import argparse
import os
import signal
import sys
import time

import xllamacpp


def say_free(gib, name=os.environ.get("LLAMA_SERVER_MEMINFO")):
    if name:
        with open(name, "r+", encoding="utf-8") as file:  # not replaced: it may be mounted
            file.write(f"MemTotal: {16 << 20} kB\nMemAvailable: {gib << 20:>10} kB\n")


def end(*_):
    say_free(16)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-m", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--api-key-file")
    parser.add_argument("--ctx-size", type=int, default=256)
    parser.add_argument("--chat-template")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    say_free(0)
    fault = os.environ.get("LLAMA_SERVER_FAULT", "")
    if fault == "exit":
        sys.exit(3)
    if fault == "slow":
        time.sleep(2)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.m
    parameters.hostnames = [options.host]
    parameters.port = options.port
    parameters.model_alias = {options.alias}
    parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = options.ctx_size, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.fit_params = parameters.warmup = False
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if options.api_key_file:
        with open(options.api_key_file, encoding="utf-8") as file:
            parameters.api_keys = [file.readline().strip()]
    if options.chat_template:
        parameters.chat_template = options.chat_template
    server = xllamacpp.Server(parameters)
    print("listening on", server.listening_address, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
