"""Every .cu file compiles without a warning, no kernel spills registers, and none takes more of them than its file
says. A file says so in its header comment:

    Registers: at most 96 a thread.                          for all of its kernels
    Registers: at most 64 a thread, forward_kernel 168.      and one that may take more

Without nvcc the test is skipped. It looks at sm_89; with SLMTUNE_COUNTS=full at all targets of the build.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["SLMTUNE_SOURCE"])
TARGETS = ["80", "86", "89", "90", "120"] if os.environ.get("SLMTUNE_COUNTS") == "full" else ["89"]

STATEMENT = re.compile(r"Registers: at most (\d+) a\s+thread([^.]*)\.")
KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def find_nvcc():
    default = "/usr/local/cuda/bin/nvcc"
    return os.environ.get("CUDACXX") or shutil.which("nvcc") or (default if os.path.exists(default) else None)


def stated_limits(text):
    """(limit of every kernel, {kernel: its own limit}) of a .cu file's header comment, or None."""
    comment = " ".join(line.lstrip("/ ") for line in text.splitlines() if line.startswith("//"))
    statement = STATEMENT.search(comment)
    if not statement:
        return None
    own = {name: int(limit) for name, limit in re.findall(r"(\w+) (\d+)", statement[2])}
    return int(statement[1]), own


def kernels_of(report):
    """(mangled name, target, registers, spilled bytes) for each kernel of a ptxas -v report."""
    found, name, target, spilled = [], None, None, 0
    for line in report.splitlines():
        if match := KERNEL.search(line):
            name, target, spilled = match[1], match[2], 0
        elif match := SPILLS.search(line):
            spilled += int(match[1]) + int(match[2])
        elif (match := REGISTERS.search(line)) and name:
            found.append((name, target, int(match[1]), spilled))
            name = None
    return found


def problems_of(report, limits):
    for name, target, registers, spilled in kernels_of(report):
        limit = max([own for kernel, own in limits[1].items() if kernel in name], default=limits[0])
        if spilled:
            yield f"{target} {name}: {spilled} bytes of registers spilled"
        if registers > limit:
            yield f"{target} {name}: {registers} registers, its file says at most {limit}"


SAMPLE = """ptxas info    : Compiling entry function '_Z4wideILi1EEvPf' for 'sm_89'
ptxas info    : Function properties for _Z4wideILi1EEvPf
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 360 bytes cmem[0]
ptxas info    : Compiling entry function '_Z6narrowPf' for 'sm_89'
ptxas info    : Function properties for _Z6narrowPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 33 registers, used 0 barriers, 360 bytes cmem[0]
"""


def check_reading():
    """A planted spill and a planted excess are seen."""
    limits = stated_limits("// A kernel. Registers: at most 32\n// a thread, wide 40. More.\n")
    assert limits == (32, {"wide": 40}), limits
    assert list(problems_of(SAMPLE, limits)) == [
        "sm_89 _Z4wideILi1EEvPf: 20 bytes of registers spilled",
        "sm_89 _Z6narrowPf: 33 registers, its file says at most 32",
    ]
    assert stated_limits("// A kernel.\n") is None


def compile_one(nvcc, file, target):
    """(number of kernels, problems)."""
    name = file.relative_to(SOURCE)
    limits = stated_limits(file.read_text(encoding="utf-8"))
    if limits is None:
        return 0, [f"{name}: its header comment has no 'Registers: at most N a thread.'"]
    with tempfile.TemporaryDirectory() as folder:
        # The host's half, too: nvcc rewrites it, and not all C++ lives through that.
        command = [nvcc, "-std=c++17", f"-I{SOURCE}", "-c", f"-arch=sm_{target}", "-Xptxas", "-v",
                   "-Xcompiler=-Wall,-Wextra", "--Werror=all-warnings", "-o", f"{folder}/kernels.o", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return 0, [f"{name} for sm_{target} does not compile:\n{done.stderr}"]
    kernels = kernels_of(done.stderr)
    if not kernels:
        return 0, [f"{name} for sm_{target}: no kernel in nvcc's report"]
    return len(kernels), [f"{name}: {problem}" for problem in problems_of(done.stderr, limits)]


def main():
    check_reading()
    nvcc = find_nvcc()
    if not nvcc:
        print("skipped: there is no nvcc on this machine")
        return 77
    files = sorted((SOURCE / "kernels").rglob("*.cu"))
    assert files, "no .cu file under kernels/"
    jobs = [(file, target) for file in files for target in TARGETS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda job: compile_one(nvcc, *job), jobs))
    problems = [problem for _, found in results for problem in found]
    print("\n".join(problems) or f"{sum(count for count, _ in results)} kernels of {len(files)} files for "
          f"{' '.join('sm_' + target for target in TARGETS)}: no spills, registers within the files' limits")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
