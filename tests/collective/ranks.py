"""Several slmtune processes that train together, started as launchers do: by variables of the environment, or by mpirun.

    with launched(box, 2, "train", "faq.yaml") as ranks: ...
    results = finish(ranks)          # returncode, stdout, stderr of each
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
from sandbox import PROGRAM  # noqa: E402

MPI_MODULE = pathlib.Path(PROGRAM).parent / "libslmtune_mpi.so"
MPIRUN = shutil.which("mpirun")


def has_mpi():
    return MPIRUN is not None and MPI_MODULE.exists()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def variables(rank, size, port):
    """What torchrun sets for a process."""
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "SLMTUNE_RANK_SECONDS": "60"}


def start(box, size, *words, changes=None, words_of=None):
    """A process per rank. `changes`: more variables by rank; `words_of`: another command line by rank."""
    port = free_port()
    return [box.start(*(words_of or {}).get(rank, words),
                      environment={**variables(rank, size, port), **(changes or {}).get(rank, {})})
            for rank in range(size)]


class Result:
    def __init__(self, process, timeout=120):
        self.stdout, self.stderr = process.communicate(timeout=timeout)
        self.returncode = process.returncode


def finish(processes):
    return [Result(process) for process in processes]


def mpirun(box, size, *words):
    environment = box.environment({"SLMTUNE_RANK_SECONDS": "60", "OMPI_MCA_plm_rsh_agent": "false"})
    return subprocess.Popen(
        [MPIRUN, "-n", str(size), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", PROGRAM, *words],
        cwd=box.root, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def children_of(pid):
    """Processes that `pid` started."""
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]
