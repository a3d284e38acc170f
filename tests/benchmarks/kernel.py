"""`make bench`: our mixture kernel against its peers, in one run, interleaved, on one thread.

Times are CPU seconds of this process, the least of a few rounds in which all methods take turns, so that neighbours on
the machine disturb all alike. Errors are the largest of any point, against float64 differences, pair by pair.
"""

import math
import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import peers
import torch
from numba import njit
from rich.console import Console
from rich.table import Table

from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import ungrouped
from ib_core.mixture.kernels.numba_loops import exp2
from ib_core.mixture.order import spatial_order

ROUNDS = 7
N = 4096
PAIRS_A_SECOND = {"torch MixtureSameFamily": 2e6, "scipy gaussian_kde": 1e7, "sklearn KernelDensity": 2e7}
TARGET = 1e-3  # standard error in nats

Density = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


@njit
def _exponentials(values, out):
    for _ in range(1000):
        for j in range(len(values)):
            out[j] = exp2(values[j] - out[j])


class Machine:
    """The best rates seen so far: float32 GEMM (flop/s) and 2^x (1/s, the polynomial of our kernel), on one thread."""

    def __init__(self) -> None:
        self.gemm = self.exp2 = 0.0
        self.matrix = torch.rand(1024, 1024)
        self.values, self.out = -np.random.default_rng(0).random(4096).astype(np.float32), np.empty(4096, np.float32)
        _exponentials(self.values, self.out)

    def measure(self) -> None:
        """Once more, since neighbours slow the machine down for a while."""
        self.gemm = max(self.gemm, 2 * 1024**3 / seconds(lambda: self.matrix @ self.matrix))
        self.exp2 = max(self.exp2, 1000 * len(self.values) / seconds(lambda: _exponentials(self.values, self.out)))

    def limit(self, d: int) -> float:
        """Seconds for a pair in d dimensions: its products and its exponential, each at its rate."""
        return 2 * d / self.gemm + 1 / self.exp2


def ours_own_centre(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """What the entropy does: each of the first m centres has one point."""
    atoms = Atoms(centres[:, None], beta)
    scaled, atom = atoms.scaled(points), np.arange(len(points))
    own = atoms.own(scaled, atom, np.zeros_like(atom))
    weights = np.full((len(centres), 1), 1 / len(centres))
    return log_totals(atoms, scaled, ungrouped(weights), own)[0, :, 0] + atoms.log_constant


OURS: dict[str, Density] = {"ours (log_density)": log_density, "ours (own centre)": ours_own_centre}


def exact(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """ln p(t) by float64 differences."""
    return peers.cdist_logsumexp(points, centres, beta)


def problem(n: int, d: int, beta: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, d) of a tanh layer in spatial order, and one point around each."""
    rng = np.random.default_rng(seed)
    centres = np.tanh(rng.normal(size=(n, d)))
    centres = centres[spatial_order(centres, np.zeros(n))]
    return centres, centres + beta * rng.normal(size=(n, d))


def layer(d: int, beta: float, machine: Machine, console: Console) -> None:
    """n points at n centres; at beta = 1 all pairs count. Slow peers get fewer points."""
    centres, points = problem(N, d, beta)
    methods = OURS | peers.available()
    least = {name: math.inf for name in methods}
    errors = {}
    for _ in range(ROUNDS):
        machine.measure()
        for name, density in methods.items():
            m = N if name in OURS else max(8, int(0.25 * PAIRS_A_SECOND.get(name, 5e7) / N / max(1, d / 16)))
            at = points[: min(m, N)]
            found: list[np.ndarray] = []
            spent = seconds(lambda at=at, density=density, found=found: found.append(density(at, centres, beta)))
            least[name] = min(least[name], spent / (len(at) * N))
            if name not in errors:
                errors[name] = np.abs(found[0][:512] - exact(at[:512], centres, beta)).max()
    limit = machine.limit(d)
    show(console, f"d = {d}, n = {N}, beta = {beta:g} (limit {limit * 1e9:.2f} ns)", least, errors, limit)


def batched(machine: Machine, console: Console) -> None:
    """64 mixtures of 512 centres at 512 points each, d = 7."""
    problems = [problem(512, 7, 1.0, seed) for seed in range(64)]
    methods = OURS | peers.available()
    least = {name: math.inf for name in methods}
    errors = {}
    for _ in range(ROUNDS):
        machine.measure()
        for name, density in methods.items():
            fewer = problems if name in OURS else problems[: 1 if "torch" in name else 4]
            found: list[np.ndarray] = []
            work = lambda fewer=fewer, density=density, found=found: [  # noqa: E731
                found.append(density(t, s, 1.0)) for s, t in fewer
            ]
            least[name] = min(least[name], seconds(work) / (len(fewer) * 512**2))
            if name not in errors:
                errors[name] = np.abs(found[0] - exact(problems[0][1], problems[0][0], 1.0)).max()
    limit = machine.limit(7)
    show(console, f"batched, d = 7, mixtures of 512 x 512 (limit {limit * 1e9:.2f} ns)", least, errors, limit)


def show(console: Console, title: str, least: dict[str, float], errors: dict[str, float], limit: float) -> None:
    """One table; the ratio is to our entropy's own primitive."""
    table = Table("method", "ns per pair", "ratio to ours", "of the limit", "max error, nats", title=title)
    ours = least["ours (own centre)"]
    for name, spent in least.items():
        table.add_row(
            name, f"{spent * 1e9:.2f}", f"{spent / ours:.1f}", f"{100 * limit / spent:.0f} %", f"{errors[name]:.1e}"
        )
    console.print(table)


def equal_error(console: Console, beta: float = 0.1) -> None:
    """Time to a standard error of 1e-3 nats in h(S + Z): ours measured, sklearn's from its rate and the variance."""
    table = Table("d", "ours, s", "its stderr", "sklearn, s (extrapolated)", "draws it needs", "ratio")
    table.title = f"h(S + Z) to a standard error of 1e-3 nats, n = {N}, beta = {beta}; sklearn with independent draws"
    sklearn_density = peers.available().get("sklearn KernelDensity")
    for d in (2, 5, 10):
        centres, _ = problem(N, d, beta)
        smoothed_entropy(centres, beta, max_draws=1)  # compile
        estimates: list = []
        spent = min(
            seconds(lambda c=centres, e=estimates: e.append(smoothed_entropy(c, beta, target_stderr=TARGET)))
            for _ in range(ROUNDS)
        )
        rng = np.random.default_rng(1)
        points = centres[rng.integers(N, size=4096)] + beta * rng.normal(size=(4096, d))
        draws = log_density(points, centres, beta).var() / TARGET**2
        if sklearn_density is None:
            table.add_row(str(d), f"{spent:.4f}", f"{estimates[0].stderr:.1e}", "not installed", f"{draws:.2e}", "")
            continue
        rate = min(seconds(lambda c=centres, p=points: sklearn_density(p[:256], c, beta)) for _ in range(ROUNDS)) / 256
        theirs = draws * rate
        reached = f"{estimates[0].stderr:.1e}"
        table.add_row(str(d), f"{spent:.4f}", reached, f"{theirs:.0f}", f"{draws:.2e}", f"{theirs / spent:.0f}")
    console.print(table)


def main() -> None:
    """Print every table."""
    torch.set_num_threads(1)
    console = Console(width=120)
    machine = Machine()
    missing = [module for module in ("sklearn", "pykeops", "jax") if find_spec(module) is None]
    if missing:
        console.print(f"not installed, left out (pip install -e '.[dev,peers]'): {', '.join(missing)}", markup=False)
    for d in (2, 10, 16, 64, 256):
        log_density(*problem(256, d, 1.0)[::-1], 1.0)  # compile
        layer(d, 1.0, machine, console)
    for d in (10, 16):  # the noise that networks have
        for beta in (0.1, 0.3):
            layer(d, beta, machine, console)
    log_density(*problem(256, 7, 1.0)[::-1], 1.0)
    batched(machine, console)
    rates = f"float32 GEMM {machine.gemm / 1e9:.0f} GFLOP/s, 2^x {machine.exp2 / 1e9:.2f} G/s"
    console.print(f"machine: {rates}, the best of the run; one thread, CPU time")
    equal_error(console)


if __name__ == "__main__":
    main()
