"""Families of shifts P_X -> P_X' of the input law, each with its size set in a metric.

Sizes are distances between the laws of X: rows with the same x are one atom, whatever their labels.

A *reweighting* keeps the atoms and changes their weights; a *moved* law keeps the weights and changes the atoms. A
family is one function `(law, size, **parameters) -> Shift`, entered with `@family(metric)`: that is all it needs. In a
module of your own, `my_shifts.py`, it is named `my_shifts.function`. A parameter that is an array (N,) is given in a
sweep as a file with a row for each atom. The function is also called when a sweep is planned, so that what it refuses
is known before anything runs.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from ib_core.laws.divergences import kl_divergence, total_variation
from ib_core.laws.input_law import InputLaw, merged
from ib_core.laws.wasserstein import wasserstein
from ib_core.members import Registry

# A law misses its size by at most this share of it.
TOLERANCE = 1e-6
# Below these a shift is lost in the rounding of the weights, or of the atoms in units of the largest coordinate.
SMALLEST_KL = 1e-12
SMALLEST_TV = 1e-9
SMALLEST_STEP, LARGEST_STEP = 1e-8, 1e100


class Unreachable(ValueError):
    """The family cannot reach the size that was asked for."""


class Shift(NamedTuple):
    """A shifted law and the parameter that gives it its size (mixing weight, tilt or scale)."""

    law: InputLaw
    parameter: float


class Family(NamedTuple):
    """A family of shifts: the metric of its sizes, whether it moves atoms, its function, and what that refuses."""

    metric: Literal["tv", "kl", "w2"]
    moves_atoms: bool
    apply: Callable[..., Shift]
    check: Callable[..., object] | None = None


FAMILIES = Registry("ib_core.shifts", Family, made="a function under @family")


def family(
    metric: Literal["tv", "kl", "w2"], *, moves_atoms: bool = False, check: Callable[..., object] | None = None
) -> Callable[[Callable[..., Shift]], Family]:
    """Make a function `(law, size, **parameters) -> Shift` a family.

    Args:
        metric: of its sizes.
        moves_atoms: whether it moves atoms instead of changing weights.
        check: `(law, size, **parameters)`, which raises for what the function would refuse; for one that takes long.
    """
    return lambda apply: Family(metric, moves_atoms, apply, check)


def shifted(name: str, law: InputLaw, size: float, **parameters) -> Shift:
    """Apply a family; size 0 is the law itself, bit for bit.

    Args:
        name: of a built-in family, or `module.function`.
        law: the reference law.
        size: distance to the reference in the family's metric (TV in [0, 1], KL in nats, W_2 in input units).

    Raises:
        KeyError: no such family.
        Unreachable: the family has no law at that distance; the message gives the reachable range.
        ArithmeticError: the family returned a law at another distance, by more than a millionth of `size`.

    Example:
        >>> law = InputLaw([[0.0], [1.0], [2.0]], [0.5, 0.3, 0.2], [0, 0, 1])
        >>> shifted("contamination", law, 0.1, atom=2).law.weights.round(4).tolist()
        [0.4375, 0.2625, 0.3]
        >>> tilted = shifted("feature_tilt", law, 0.1).law
        >>> round(kl_divergence(tilted.weights, law.weights), 9)
        0.1
    """
    if not size >= 0:
        raise ValueError(f"size must be a non-negative number, got {size}")
    if size == 0:
        return Shift(law, 0.0)
    metric = FAMILIES.find(name).metric
    shift = _applied(name, law, size, **parameters)
    found = _distance(metric, law, shift.law)
    if not abs(found - size) <= TOLERANCE * size:
        raise ArithmeticError(f"{name} was asked for {metric} = {size:g} and returned a law at {found:.9g}")
    return shift


def check_shift(name: str, law: InputLaw, size: float, **parameters) -> None:
    """Raise what `shifted` would for these parameters, without the optimal transport that moved laws may need."""
    _, moves_atoms, _, check = FAMILIES.find(name)
    if check is None and not moves_atoms:
        shifted(name, law, size, **parameters)
    elif size != 0:
        (check or partial(_applied, name))(law, size, **parameters)


def _applied(name: str, law: InputLaw, size: float, **parameters) -> Shift:
    """What the function of a family returns, if it is a shift of this kind."""
    shift = FAMILIES.find(name).apply(law, size, **parameters)
    if not (isinstance(shift, Shift) and isinstance(shift.law, InputLaw)):
        raise TypeError(f"{name} must return a Shift of a law and a parameter, got {type(shift).__name__}")
    if not FAMILIES.find(name).moves_atoms and not np.array_equal(shift.law.atoms, law.atoms):
        raise ValueError(f"{name} must keep the atoms, or be entered with moves_atoms=True")
    return shift


def _distance(metric: str, law: InputLaw, shifted_law: InputLaw) -> float:
    """The distance from `law` in a family's metric; W_2 between large laws is that of the family's own coupling."""
    if metric == "w2":
        return wasserstein(law, shifted_law, 2).value
    measure = total_variation if metric == "tv" else kl_divergence
    return measure(*merged(law.atoms, shifted_law.weights, law.weights))


def refuse_outside(what: str, size: float, low: float, high: float, unit: str) -> None:
    """Every size in [low, high] is reached, and the ends are printed with all their digits."""
    if not low <= size <= high:
        found = f"0 and [{low!r}, {high!r}]" if low <= high else "0 alone"
        raise Unreachable(f"{what} reaches {unit} {found}, asked for {size!r}")


def column_index(law: InputLaw, column: int) -> int:
    """A coordinate of the input, counted from either end, if there is one."""
    d = law.atoms.shape[1]
    if not -d <= column < d:
        raise ValueError(f"column must be the index of one of {d} coordinates, got {column}")
    return column
