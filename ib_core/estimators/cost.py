"""What a layer costs before it is measured: seconds on one core and resident memory, on the ordinary and the wide path.

Fitted to `tests/benchmarks/wide.py` on saturated layers of a noisy tanh network under one law; memory within a quarter.
Seconds are within a factor of two. What a network takes for its passes is counted apart, from the values that get noise
and from the products that make them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ib_core.estimators.layer import HEAVY_PASSES
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.signal_blocks import BLOCK_BYTES, TILE_BYTES, block_size

MIB = 2**20
IMPORTS = 430 * MIB  # of a process that has done nothing yet but to import and to compile
SIGNAL_COPIES = 4.8  # of the stored passes in float64: given, ordered, scaled, in blocks, offsets of controls
DRAW_COPIES, ROUND_BYTES = 5.2, 256 * MIB  # of the points of a round in float64: noise, centres, points
TAIL_BYTES = 24_600  # for each atom: densities of points far in a tail
LAW_BYTES = 600  # for each atom and law: sums over strata
PILOT = 64  # directions of the pilot of a wide layer
BASIS = 4  # times these: its Krylov space and what is multiplied with it
DIRECTION_READINGS = 4  # of its signals
DIRECTION_PASSES = 4
SECONDS_PER_READ = 6e-9  # for each signal value that is made and projected
SECONDS_PER_VALUE = 1.2e-8  # of a hidden layer in a pass: its noise is drawn and added, its activation taken
SECONDS_PER_PRODUCT = 5e-11  # in matrices and convolutions


class Cost(NamedTuple):
    """Seconds on one core, and bytes of resident memory of a worker process in all."""

    seconds: float
    bytes: float


class Costs(NamedTuple):
    """Of one layer on both paths."""

    ordinary: Cost
    wide: Cost


def passing_seconds(
    passes: float, widths: Sequence[int], products: Sequence[int], per_value: float = SECONDS_PER_VALUE
) -> float:
    """Seconds of so many passes of a network up to its layers of these widths.

    Args:
        passes: of all atoms together.
        widths: of the layers up to the last that is wanted.
        products: of one pass up to each of them.
        per_value: seconds for each value of a layer.
    """
    return passes * (per_value * sum(widths) + SECONDS_PER_PRODUCT * (products[-1] if products else 0))


def layer_cost(
    n: int,
    widths: Sequence[int],
    products: Sequence[int],
    *,
    n_passes: int,
    n_own: int,
    draws: int,
    wide: bool,
    n_laws: int = 1,
    columns: int = 1,
) -> Cost:
    """What it costs to measure a layer of a network under laws on the same atoms, with the passes that this needs.

    Args:
        n: atoms.
        widths: of the layers up to this one.
        products: of one pass up to each of them.
        n_passes: stored passes of each atom.
        n_own: own passes of each, 0 for the first layer.
        draws: points at which densities are evaluated, all ends together.
        wide: whether a projection stands for the layer.
        n_laws: laws; of several, atoms may have so much weight under one that they get many passes of their own.
        columns: that are counted with them.
    """
    costs = cost_of(n, n_passes, widths[-1], draws, n_own=n_own, n_laws=columns)
    passes = n * n_own + (2 * HEAVY_PASSES if n_own and n_laws > 1 else 0) + (n * n_passes if wide else 0)
    found = costs.wide if wide else costs.ordinary
    return Cost(found.seconds + passing_seconds(passes, widths, products), found.bytes)


def cost_of(
    n: int,
    n_passes: int,
    d: int,
    draws: int,
    *,
    n_own: int = 0,
    size: int | None = None,
    n_laws: int = 1,
    k: int = 16,
) -> Costs:
    """What `layer_information` of a layer costs, and `wide_information` with its directions.

    Args:
        n: atoms.
        n_passes: stored passes of each.
        d: width of the layer.
        draws: points at which densities are evaluated, all ends together.
        n_own: own passes of each atom.
        size: atoms of a block of own passes; what the ordinary and the wide path commonly take by default.
        n_laws: laws.
        k: directions of the projection.
    """
    block = size or min(block_size(max(n_own, 1), d), OwnPasses._field_defaults["size"])
    seconds = _seconds(n, n_passes, d, draws, n_own)
    ordinary = Cost(seconds, IMPORTS + _working(n, n_passes, d, draws, n_laws) + 7.0 * block * n_own * d)
    k = min(k, d)
    read = n * (n_passes + n_own + DIRECTION_READINGS * DIRECTION_PASSES) * d
    projections = 8.0 * n * (n_passes + n_own) * k
    stage = min(2.0 * BLOCK_BYTES, 8.0 * block * max(n_own, n_passes) * d) + 3 * TILE_BYTES
    stage += 8.0 * d * BASIS * min(PILOT, d) + 3 * 8.0 * n * DIRECTION_PASSES * min(PILOT, d)
    wide = Cost(
        _seconds(n, n_passes, k, draws, n_own) + SECONDS_PER_READ * read,
        IMPORTS + max(stage, projections + _working(n, n_passes, k, draws, n_laws)),
    )
    return Costs(ordinary, wide)


def _seconds(n: int, n_passes: int, d: int, draws: int, n_own: int) -> float:
    pairs, values = float(draws) * n * n_passes, float(n) * d
    return 0.1 + (3.3e-10 + 1.6e-11 * d) * pairs + 1.8e-7 * values * n_own + 1e-9 * values * n_passes * d


def _working(n: int, n_passes: int, d: int, draws: int, n_laws: int) -> float:
    """Bytes besides imports and own passes."""
    signals, points = 8.0 * n * n_passes * d, min(8.0 * draws * d, ROUND_BYTES)
    return SIGNAL_COPIES * signals + DRAW_COPIES * points + TAIL_BYTES * n + LAW_BYTES * n * n_laws
