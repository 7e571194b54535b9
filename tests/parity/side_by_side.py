"""What the parity scripts share: rows, running parity_tool, comparing with clear messages."""
import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file

TOOL = os.environ.get("PARITY_TOOL", "build/dev/tests/parity/parity_tool")
# Kernels differ in the order of sums, so a bound is not an equality.
LOGITS_ABSOLUTE = 1e-4
RELATIVE = 1e-4


def random_rows(vocabulary, lengths=(37, 5, 150, 12), seed=11):
    """Rows of ids, the padding id 0 among them, and labels; the first third of each row is a prompt without loss."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(0, vocabulary, (n,), generator=generator).tolist() for n in lengths]
    rows[0][3] = 0
    labels = [[-100] * (len(row) // 3) + row[len(row) // 3:] for row in rows]
    return rows, labels


def run_tool(out, **job):
    subprocess.run([TOOL], input=json.dumps({**job, "out": str(out)}), text=True, check=True)
    return load_file(out)


def reference(model, rows, labels):
    """Logits of every row in a line, and the mean loss over all label tokens, by transformers row by row."""
    logits = [model(torch.tensor([row])).logits[0] for row in rows]
    total, count = 0.0, 0
    for row_logits, row_labels in zip(logits, labels):
        targets = torch.tensor(row_labels[1:])
        total = total + torch.nn.functional.cross_entropy(
            row_logits[:-1].float(), targets, ignore_index=-100, reduction="sum")
        count += int((targets >= 0).sum())
    return torch.cat(logits), total / count


class Report:
    """Collects differences; exit status 1 when one is too large."""

    def __init__(self):
        self.failures = 0

    def check(self, what, difference, bound):
        verdict = "ok  " if difference <= bound else "FAIL"
        self.failures += verdict == "FAIL"
        print(f"{verdict} {what}: {difference:.2e} (bound {bound:.0e})", flush=True)

    def logits(self, what, ours, theirs, bound=LOGITS_ABSOLUTE):
        self.check(what + ": logits, absolute", (ours.float() - theirs.float()).abs().max().item(), bound)

    def relative(self, what, ours, theirs, bound=RELATIVE):
        difference = (ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30)
        self.check(what + ", relative", difference.item(), bound)

    def same(self, what, ours, theirs):
        equal = ours == theirs
        self.failures += not equal
        print(f"{'ok  ' if equal else 'FAIL'} {what}" + ("" if equal else f": {ours} != {theirs}"),
              flush=True)

    def finish(self):
        sys.exit(1 if self.failures else 0)
