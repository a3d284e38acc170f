"""`python tests/benchmarks/gpu.py`: log-densities and whole estimates on a CUDA card, beside its ceilings and one core.

Times are the least of a few rounds. "loop" is the loop over all pairs alone, between two events on the card; "totals"
is `log_totals` from points on the card, on the clock of the wall. The limit of a pair is one exp2 and its products at
the rates that are measured first. Errors are the largest of any of 256 points, against float64 on the card, which is
itself held against differences in tests/gpu. `--mnist FOLDER` adds the information stage of a sweep on real images.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from peers import jax_jit, keops

from ib_core.estimators.network_layer import network_layer_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.kernels.groups import OwnAtom, ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.resident import ResidentSums, resident_log_totals
from ib_core.mixture.signal_blocks import signal_blocks
from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.noisy import noisy
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import noisy_passes

ROUNDS, CHECKED = 5, 256
N = 16384
WIDTHS = (2, 10, 16, 64, 256)
WHOLE = ((4096, 100, 7, 0.1, 1), (4096, 1000, 7, 0.1, 40), (10000, 8, 16, 0.2, 50), (10000, 16, 128, 1.0, 10))
MNIST_SHIFTS, MNIST_ATOMS, BETA = 11, 1000, 0.1


def wall(work: Callable[[], object]) -> float:
    """Seconds of one call, the card waited for; the least of some."""
    work()
    spent = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - start)
    return min(spent)


def ceilings() -> tuple[float, float, float]:
    """ns of one exp2, and of one multiplication and addition in float16 and float64 on tensor cores."""
    import triton
    import triton.language as tl

    @triton.jit
    def powers(out, steps, P: tl.constexpr):  # type: ignore[no-untyped-def]
        x = tl.program_id(0) * 1e-6 + tl.arange(0, P) * 1e-3
        for _ in range(steps):
            x = tl.exp2(-x)
        tl.store(out + tl.program_id(0) * P + tl.arange(0, P), x)

    programs, steps, size = 4096, 512, 1024
    out = torch.empty(programs * size, device="cuda")
    exp2 = wall(lambda: powers[(programs,)](out, steps, size)) / (programs * steps * size)
    found = [exp2]
    for dtype, n in ((torch.float16, 8192), (torch.float64, 4096)):
        a, b = (torch.randn(n, n, device="cuda", dtype=torch.float64).to(dtype) for _ in range(2))
        found.append(wall(lambda a=a, b=b: a @ b) / n**3)
    exp2, half, double = (1e9 * each for each in found)
    return exp2, half, double


class Problem:
    """Points around atoms of a tanh layer, on the card."""

    def __init__(self, n: int, m: int, d: int, passes: int, laws: int, beta: float) -> None:
        rng = np.random.default_rng(0)
        means = np.tanh(rng.normal(size=(n, d)))
        means = means[spatial_order(means, np.zeros(n))]
        centres = means[:, None] + (beta / 2 * rng.normal(size=(n, passes, d)) if passes > 1 else 0.0)
        self.atoms, atom = Atoms(centres, beta, device="cuda"), torch.arange(m, device="cuda") % n
        noise = torch.randn(m, d, generator=torch.Generator("cuda").manual_seed(0), device="cuda", dtype=torch.float64)
        self.points = self.atoms.there[atom, 0] + noise
        weights = np.full((n, 1), 1 / n) if laws == 1 else rng.dirichlet(np.ones(n), size=laws).T
        self.groups, self.pairs = ungrouped(weights), m * n * passes
        self.own = self.atoms.own(self.points, atom, torch.zeros_like(atom))
        few = OwnAtom(*(field[:CHECKED] for field in self.own))
        self.truth = resident_log_totals(ResidentSums(self.atoms.there), self.points[:CHECKED], self.groups, few)

    def line(self, sums: ResidentSums) -> tuple[float, float]:
        """ns of a pair, and the largest error in nats."""
        spent = wall(lambda: resident_log_totals(sums, self.points, self.groups, self.own))
        found = resident_log_totals(sums, self.points, self.groups, self.own)[:, :CHECKED]
        return 1e9 * spent / self.pairs, float((found - self.truth).abs().max())


def densities() -> None:
    """By width, in float64 and in float16 slices, and what other libraries take."""
    from ib_core.mixture.kernels.fused.sums import FusedSums

    exp2, half, double = ceilings()
    print(f"ceilings: exp2 {exp2:.5f} ns, float16 {2e-3 / half:.0f} and float64 {2e-3 / double:.1f} TFLOP/s\n")
    print(
        f"{'d':>4} {'points':>6} {'float64':>9} {'of limit':>8} {'error':>8} {'slices':>9} {'of limit':>8} {'error':>8}"
    )
    print("      log totals, ns per pair of a point and one of 16384 centres, one law")
    for d in WIDTHS:
        for m in (N, 4 * N):
            problem = Problem(N, m, d, 1, 1, 1.0 if d <= 64 else 4.0)
            cells, depth = [], max(16, d)
            for sums, limit in (
                (FusedSums(problem.atoms.there, half=False), exp2 + depth * double),
                (FusedSums(problem.atoms.there), exp2 + 6 * depth * half),
            ):
                spent, error = problem.line(sums)
                cells += [f"{spent:9.5f} {limit / spent:8.0%} {error:8.1e}"]
            print(f"{d:>4} {m:>6} {cells[0]} {cells[1]}", flush=True)
    problem = Problem(N, N, 10, 1, 1, 1.0)
    others = {"torch float64": problem.line(ResidentSums(problem.atoms.there))}
    points, centres = (
        problem.atoms.unscaled(each).cpu().numpy() for each in (problem.points, problem.atoms.there[:, 0])
    )
    for name, module, density in (("JAX float32", "jax", jax_jit), ("KeOps float32", "pykeops", keops)):
        if find_spec(module) is not None:
            spent = wall(lambda density=density: density(points, centres, 1.0))
            truth = problem.truth[0, :, 0].cpu().numpy() + problem.atoms.log_constant
            error = np.abs(density(points, centres, 1.0)[:CHECKED] - truth).max()
            others[f"{name}, with copies"] = 1e9 * spent / problem.pairs, float(error)
    for name, (spent, error) in others.items():
        print(f"  10  16384 {spent:9.5f}          {error:8.1e}  {name}", flush=True)


def laws() -> None:
    """By the number of laws and passes."""
    print("\nK laws, d = 10, 4096 atoms: log totals, ns per pair\n   K  1 pass  error  16 passes  error")
    for count in (1, 4, 32, 200, 1000):
        cells = []
        for passes in (1, 16):
            problem = Problem(4096, min(49152, 2**24 // count), 10, passes, count, 1.0)
            cells += ["{:8.5f} {:7.1e}".format(*problem.line(problem.atoms.sums))]  # type: ignore[arg-type]
        print(f"{count:>4}  " + "  ".join(cells), flush=True)


def apart() -> None:
    """Layers whose atoms lie apart, with and without the lists of blocks that are near."""
    from ib_core.mixture.kernels.fused.sums import FusedSums

    print("\natoms apart, one law, 16384 of each: log totals, ns per pair\n   d   beta  listed     all")
    for d, beta in ((2, 0.05), (7, 0.05), (7, 0.005), (10, 0.02), (16, 0.02), (16, 0.005)):
        problem, cells = Problem(N, N, d, 1, 1, beta), []
        for listed in (True, False):
            sums = FusedSums(problem.atoms.there)
            if not listed:
                sums._near = lambda laws, size: None  # type: ignore[method-assign]
            cells.append(f"{problem.line(sums)[0]:8.5f}")
        print(f"{d:>4} {beta:>6} {cells[0]}{cells[1]}", flush=True)


def whole(cpu: bool) -> None:
    """Whole estimates, set-up included."""
    print("\nlayer_information, us per draw: (N, n_x, d, beta, K)")
    for n, passes, d, beta, count in WHOLE:
        rng = np.random.default_rng(0)
        signals = np.tanh(rng.normal(size=(n, 1, d))) + beta * rng.normal(size=(n, passes, d))
        weights = rng.dirichlet(np.ones(n), size=count).T if count > 1 else None
        options = {"weights": weights, "target_stderr": 1e-9}
        draws = 2**20 if passes < 1000 else 2**18
        layer_information(signals, beta, max_draws=2 * n, device="cuda", **options)  # compiles
        spent, drawn = [], 0
        for _ in range(2):
            start = time.perf_counter()
            drawn = layer_information(signals, beta, max_draws=draws, device="cuda", **options).draws
            spent.append(time.perf_counter() - start)
        text = f"{1e6 * min(spent) / drawn:8.3f} on the card ({drawn} draws in {min(spent):.2f} s)"
        if cpu:
            start = time.perf_counter()
            drawn = layer_information(signals, beta, max_draws=2 * n, **options).draws
            text += f"{1e6 * (time.perf_counter() - start) / drawn:10.1f} on one core ({drawn} draws)"
        print((n, passes, d, beta, count), text, flush=True)


def mnist(folder: Path) -> None:
    """Each layer of a narrow network on real images, as a sweep measures it."""
    from tasks.points.idx import read_idx_folder

    points = read_idx_folder(folder)
    x, y = np.asarray(points.x, np.float32).reshape(len(points.x), -1), np.asarray(points.y)
    train, test = (np.flatnonzero(np.asarray(points.train) == part) for part in (True, False))
    module, layers = build_mlp(Spec((784,), 10, (64, 16, 8, 4), "tanh"), seed=0)
    module.to("cuda")
    step = torch.optim.Adam(module.parameters(), 1e-3)
    images, labels = torch.from_numpy(x[train]).cuda(), torch.from_numpy(y[train]).long().cuda()
    with noisy(module, layers, BETA):
        for _ in range(8):
            for part in torch.randperm(len(train), device="cuda").split(128):
                step.zero_grad()
                torch.nn.functional.cross_entropy(module(images[part]), labels[part]).backward()
                step.step()
    network = NoisyNetwork(module.cpu(), layers, (784,), [BETA] * 4)
    atoms, classes = x[test][:MNIST_ATOMS], y[test][:MNIST_ATOMS]
    uniform = np.full(MNIST_ATOMS, 1 / MNIST_ATOMS)
    tilts = [uniform] + [uniform * np.exp(0.3 * k * (classes == k % 10)) for k in range(1, MNIST_SHIFTS)]
    weights = np.stack([tilt / tilt.sum() for tilt in tilts], axis=1)
    stored = noisy_passes(network, atoms, 8, 0, "stored").signals
    print(
        f"\ninformation of an MLP 64-16-8-4 on {MNIST_ATOMS} images of MNIST, {MNIST_SHIFTS} laws, beta {BETA}: seconds"
    )
    options = {"own_passes": 32, "passes_seed": 0, "weights": weights, "labels": classes, "target_stderr": 0.02}
    for layer, signals in enumerate(stored, 1):
        cells = []
        for device in ("cuda", "cuda", None):
            start = time.perf_counter()
            found = network_layer_information(
                network, layer, atoms, signal_blocks(signals, "stored", "(N, n_x, d)"), device=device, max_draws=16384,
                **options,
            )  # fmt: skip
            ends = [float(end[0]) for end in found.bracket]
            cells += [f"{time.perf_counter() - start:6.2f} s [{ends[0]:.3f}, {ends[1]:.3f}]"]
        print(f"  layer {layer}: card, first {cells[0]}, again {cells[1]}; one core {cells[2]}", flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, help="folder with the four files of MNIST")
    parser.add_argument("--cpu", action="store_true", help="whole estimates on one core too: some minutes")
    arguments = parser.parse_args()
    if not torch.cuda.is_available() or find_spec("triton") is None:
        sys.exit("nothing is timed: this benchmark needs torch with a CUDA device, and triton")
    torch.set_num_threads(1)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    densities()
    laws()
    apart()
    whole(arguments.cpu)
    if arguments.mnist is not None:
        mnist(arguments.mnist)


if __name__ == "__main__":
    main()
