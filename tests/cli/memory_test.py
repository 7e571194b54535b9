"""Without enough memory the program ends with G010 and advice, not with a library's text: under a limit of the address
space a tensor of 8 GiB cannot be made."""
import resource
import subprocess
import sys

from sandbox import BASE, FACTS, PROGRAM, Sandbox

LIMIT = 8 << 30  # bytes; LibTorch itself maps about 2 GiB of it


def run(box, *words):
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    return subprocess.run([PROGRAM, *words], cwd=box.root, env=box.environment(), capture_output=True, text=True, preexec_fn=limit)


def main():
    with Sandbox() as box:
        box.write_inputs()
        control = run(box, "train", "base.yaml", "--dry-run")
        if control.returncode != 0:
            print(f"skipped: the program does not start within {LIMIT >> 30} GiB of address space:\n{control.stderr}")
            sys.exit(77)
        box.write("wide.yaml", FACTS.replace("hidden_size: 32", "hidden_size: 16384").replace("intermediate_size: 64", "intermediate_size: 131072"))
        box.write("large.yaml", BASE.replace("mini.yaml", "wide.yaml").replace("method: full", "method: lora")
                  + "budget: {memory_gib: 1000}\n")  # else the plan refuses it before
        done = run(box, "train", "large.yaml")
        wanted = ("slmtune: error[G010]: out of memory\n"
                  "help: lower train.micro_batch_tokens or data.max_tokens, or use a smaller model\n")
        if done.returncode != 69 or not done.stderr.endswith(wanted) or "alloc" in done.stderr:
            sys.exit(f"ended with {done.returncode}:\n{done.stderr}")
        print("G010 when a tensor of 8 GiB is refused")


main()
