"""`python tests/benchmarks/gpu.py`: the Triton kernel against torch in float64 on the same card, taking turns.

Times are of the wall, the least of a few rounds: of the kernel sums alone, and of `log_totals` with own centres, copies
to and from the card included. Errors are the largest of any point, against float64 differences, pair by pair.
"""

import math
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from peers import cdist_logsumexp

from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import ungrouped
from ib_core.mixture.order import spatial_order

WIDTHS = (2, 10, 16, 64, 256)
BACKENDS = ("triton", "torch")
ROUNDS = 7
N = 16384
CHECKED = 256  # points whose error is known


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call, which waits for the card itself."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def problem(n: int, d: int, beta: float, offset: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, d) of a tanh layer, or of a ReLU layer with that offset, and one point around each."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(n, d))
    centres = np.tanh(signals) if offset is None else np.maximum(signals, 0) + offset
    centres = centres[spatial_order(centres, np.zeros(n))]
    return centres, centres + beta * rng.normal(size=(n, d))


class Contest:
    """Both backends on one problem: n centres and n points that all see each other (beta = 1)."""

    def __init__(self, n: int, d: int, device: str) -> None:
        self.n, self.device = n, device
        self.centres, self.points = problem(n, d, beta=1.0)
        self.trap = problem(n, d, beta=0.005, offset=10.0)
        self.atoms = {name: Atoms(self.centres[:, None], 1.0, name, device) for name in BACKENDS}
        some = self.atoms["torch"]
        self.scaled, self.atom = some.scaled(self.points), np.arange(n)
        self.own = some.own(self.scaled, self.atom, np.zeros_like(self.atom))
        self.law = ungrouped(np.full((n, 1), 1 / n))

    def totals(self, name: str) -> np.ndarray:
        """(n,) ln p(t), each point's own centre known."""
        return log_totals(self.atoms[name], self.scaled, self.law, self.own)[0, :, 0] + self.atoms[name].log_constant

    def sums(self, name: str, points: torch.Tensor, offset: torch.Tensor) -> None:
        """All kernel sums, left on the card."""
        kernel = self.atoms[name].kernel
        for first in range(0, self.n, kernel.rows):
            tile = slice(first, first + kernel.rows)
            last = kernel._sums(points[tile], offset[tile])
        last[-1, -1].item()  # waits for the card

    def times(self) -> dict[str, tuple[float, float]]:
        """Seconds of sums and of totals for each backend; the first round compiles."""
        points, offset = (torch.from_numpy(array).to(self.device) for array in (self.scaled, self.own.offset))
        least = {name: (math.inf, math.inf) for name in BACKENDS}
        for _ in range(ROUNDS):
            for name, (sums, totals) in least.items():
                spent = seconds(lambda name=name: self.sums(name, points, offset))
                least[name] = min(sums, spent), min(totals, seconds(lambda name=name: self.totals(name)))
        return least

    def errors(self, name: str) -> tuple[float, float]:
        """Largest errors in nats: with own centres, and of `log_density` at beta = .005 on ReLU + 10."""
        truth = cdist_logsumexp(self.points[:CHECKED], self.centres, 1.0)
        centres, points = self.trap[0], self.trap[1][:CHECKED]
        found = log_density(points, centres, 0.005, backend=name, device=self.device)
        trap = np.abs(found - cdist_logsumexp(points, centres, 0.005)).max()
        return np.abs(self.totals(name)[:CHECKED] - truth).max(), trap


def main() -> None:
    """Print one line for each width and backend."""
    if not torch.cuda.is_available() or find_spec("triton") is None:
        sys.exit("nothing is timed: this benchmark needs torch with a CUDA device, and triton")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {N} points and centres, ns per pair, nats")
    print(f"{'d':>4} {'backend':>8} {'sums':>9} {'totals':>9} {'max error':>10} {'ReLU + 10':>10}")
    for d in WIDTHS:
        contest = Contest(N, d, "cuda")
        for name, spent in contest.times().items():
            sums, totals = (1e9 * value / N**2 for value in spent)
            error, trap = contest.errors(name)
            print(f"{d:>4} {name:>8} {sums:>9.5f} {totals:>9.5f} {error:>10.1e} {trap:>10.1e}")


if __name__ == "__main__":
    main()
