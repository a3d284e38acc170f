"""Seconds of CPU and resident memory of the ordinary and the wide path, beside what `cost_of` says of them.

Each case runs in a process of its own on one thread: signals of a random network whose first layer is noisy, stored
passes as an array (ordinary path) or made block by block (wide path), own passes block by block. `peak` is the largest
resident memory of the process, `base` what it had before (imports, compiled kernels, stored passes of the ordinary
path).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ib_core.estimators.cost import cost_of
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.wide import informative_directions, wide_information
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.signal_blocks import SignalBlocks, block_size

BETA, N_OWN, HIDDEN = 0.1, 32, 64
# Path, atoms, stored passes, width, draws of each atom for an end.
CASES = [
    ("ordinary", 4096, 8, 10, 8),
    ("ordinary", 4096, 24, 10, 8),
    ("ordinary", 10_000, 24, 10, 2),
    ("ordinary", 4096, 8, 128, 2),
    ("ordinary", 4096, 8, 128, 8),
    ("ordinary", 4096, 24, 128, 2),
    ("ordinary", 10_000, 8, 128, 2),
    ("ordinary", 10_000, 24, 128, 2),
    ("ordinary", 4096, 8, 512, 2),
    ("ordinary", 4096, 24, 512, 2),
    ("ordinary", 10_000, 8, 512, 2),
    ("ordinary", 4096, 8, 1024, 2),
    ("wide", 4096, 8, 1024, 16),
    ("wide", 10_000, 8, 1024, 16),
    ("wide", 10_000, 8, 6272, 16),
    ("wide", 10_000, 8, 12_544, 16),
    ("wide", 10_000, 24, 12_544, 16),
]


def status(field: str) -> float:
    """A line of this process's status in MiB: VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class Network:
    """tanh((h(x) + beta z) W) for N random inputs: S_2 of d units behind a noisy layer."""

    def __init__(self, n: int, d: int) -> None:
        rng = np.random.default_rng(0)
        inputs = rng.normal(size=(n, 12)).astype(np.float32)
        self.hidden = np.tanh(inputs @ rng.normal(size=(12, HIDDEN)).astype(np.float32) / 3)
        self.matrix = rng.normal(size=(HIDDEN, d)).astype(np.float32) / 8

    def passes(self, first: int, last: int, count: int, family: int) -> np.ndarray:
        """(last - first, count, d) float32."""
        noise = np.random.default_rng([family, first]).standard_normal((last - first, count, HIDDEN), np.float32)
        return np.tanh((self.hidden[first:last, None] + BETA * noise) @ self.matrix)


def measured(path: str, n: int, n_passes: int, d: int, each: int) -> dict:
    """Seconds and MiB of one case, in this process."""
    torch.set_num_threads(1)
    small = Network(64, 20).passes(0, 64, 24, 0)
    for k in (8, 20):  # kernels are compiled
        layer_information(small[:, :8, :k], BETA, own=small[:, 8:, :k], max_draws=64)
    network = Network(n, d)

    def family(count: int, number: int) -> SignalBlocks:
        size = min(block_size(count, d), 512)
        return SignalBlocks((n, count, d), lambda first, last: network.passes(first, last, count, number), size)

    further = family(N_OWN, 1)
    own = OwnPasses(N_OWN, further.of, None, further.size)
    options = {"own": own, "max_draws": each * n}
    if path == "ordinary":
        blocks = family(n_passes, 2)
        stored = np.empty(blocks.shape, np.float32)
        for first in range(0, n, blocks.size):
            last = min(first + blocks.size, n)
            stored[first:last] = blocks.of(first, last)
        base, start = status("VmRSS"), time.process_time()
        found = layer_information(stored, BETA, **options)
        seconds, k = [0.0, time.process_time() - start], d
    else:
        base, start = status("VmRSS"), time.process_time()
        directions = informative_directions(family(4, 3), BETA)
        middle, k = time.process_time(), len(directions)
        found = wide_information(family(n_passes, 2), BETA, directions, **options)
        seconds = [middle - start, time.process_time() - middle]
    low, high = found.bracket
    return {"seconds": seconds, "base": base, "peak": status("VmHWM"), "draws": found.draws, "k": k, "low": low} | {
        "high": high
    }


def main() -> None:
    """All cases, or those of one path."""
    table = Table(title=f"N_own = {N_OWN}, beta = {BETA}; MiB and CPU seconds, measured (formula)")
    for name in ("path", "N", "n_x", "d", "k", "draws", "directions s", "information s", "base", "peak", "bracket"):
        table.add_column(name, justify="right")
    for case in CASES:
        if sys.argv[1:] and case[0] not in sys.argv[1:]:
            continue
        command = [sys.executable, __file__, "--case", json.dumps(case)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        path, n, n_passes, d, _ = case
        costs = cost_of(n, n_passes, d, found["draws"], n_own=N_OWN)
        cost = getattr(costs, path)
        seconds = found["seconds"]
        table.add_row(
            *map(str, case[:4]),
            str(found["k"]),
            str(found["draws"]),
            f"{seconds[0]:.1f}",
            f"{seconds[1]:.1f} ({cost.seconds:.1f})",
            f"{found['base']:.0f}",
            f"{found['peak']:.0f} ({cost.bytes / 2**20:.0f})",
            f"{found['low']:.3f} {found['high']:.3f}",
        )
        Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measured(*json.loads(sys.argv[2]))))
    else:
        main()
