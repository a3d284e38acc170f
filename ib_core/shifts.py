"""Shifts P_X -> P_X' of the input law, each with its size set in a metric.

Sizes are distances between the laws of X: rows with the same x are one atom, whatever their labels.

A *reweighting* keeps the atoms and changes their weights; a *moved* law keeps the weights and changes the atoms. A
family is one function `(law, size, **parameters) -> Shift`, entered with `@family(metric)`: that is all it needs. In a
module of your own, `my_shifts.py`, it is named `my_shifts.function`. A parameter that is an array (N,) is given in a
sweep as a file with a row for each atom. The function is also called when a sweep is planned, so that what it refuses
is known before anything runs.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq

from ib_core.checks import finite_array
from ib_core.laws.divergences import kl_divergence, total_variation
from ib_core.laws.input_law import InputLaw, merged, places
from ib_core.laws.tilt import reach, tilt
from ib_core.laws.wasserstein import wasserstein
from ib_core.streams import stream

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


FAMILIES: dict[str, Family] = {}


def family(
    metric: Literal["tv", "kl", "w2"], *, moves_atoms: bool = False, check: Callable[..., object] | None = None
) -> Callable:
    """Enter a function `(law, size, **parameters) -> Shift` into `FAMILIES`, as `function` or `module.function`.

    Args:
        metric: of its sizes.
        moves_atoms: whether it moves atoms instead of changing weights.
        check: `(law, size, **parameters)`, which raises for what the function would refuse; for one that takes long.
    """

    def enter(apply: Callable[..., Shift]) -> Callable[..., Shift]:
        name = apply.__name__ if apply.__module__ == __name__ else f"{apply.__module__}.{apply.__name__}"
        FAMILIES[name] = Family(metric, moves_atoms, apply, check)
        return apply

    return enter


def shifted(name: str, law: InputLaw, size: float, **parameters) -> Shift:
    """Apply a family; size 0 is the law itself, bit for bit.

    Args:
        name: a key of `FAMILIES`.
        law: the reference law.
        size: distance to the reference in the family's metric (TV in [0, 1], KL in nats, W_2 in input units).

    Raises:
        KeyError: no such family.
        Unreachable: the family has no law at that distance; the message gives the reachable range.
        ArithmeticError: the family returned a law at another distance, by more than a millionth of `size`.
    """
    if not size >= 0:
        raise ValueError(f"size must be a non-negative number, got {size}")
    if size == 0:
        return Shift(law, 0.0)
    metric = FAMILIES[name].metric
    shift = _applied(name, law, size, **parameters)
    found = _distance(metric, law, shift.law)
    if not abs(found - size) <= TOLERANCE * size:
        raise ArithmeticError(f"{name} was asked for {metric} = {size:g} and returned a law at {found:.9g}")
    return shift


def check_shift(name: str, law: InputLaw, size: float, **parameters) -> None:
    """Raise what `shifted` would for these parameters, without the optimal transport that moved laws may need."""
    _, moves_atoms, _, check = FAMILIES[name]
    if check is None and not moves_atoms:
        shifted(name, law, size, **parameters)
    elif size != 0:
        (check or partial(_applied, name))(law, size, **parameters)


def _applied(name: str, law: InputLaw, size: float, **parameters) -> Shift:
    """What the function of a family returns, if it is a shift of this kind."""
    shift = FAMILIES[name].apply(law, size, **parameters)
    if not (isinstance(shift, Shift) and isinstance(shift.law, InputLaw)):
        raise TypeError(f"{name} must return a Shift of a law and a parameter, got {type(shift).__name__}")
    if not FAMILIES[name].moves_atoms and not np.array_equal(shift.law.atoms, law.atoms):
        raise ValueError(f"{name} must keep the atoms, or be entered with moves_atoms=True")
    return shift


def _distance(metric: str, law: InputLaw, shifted_law: InputLaw) -> float:
    """The distance from `law` in a family's metric; W_2 between large laws is that of the family's own coupling."""
    if metric == "w2":
        return wasserstein(law, shifted_law, 2).value
    measure = total_variation if metric == "tv" else kl_divergence
    return measure(*merged(law.atoms, shifted_law.weights, law.weights))


def _refuse_outside(what: str, size: float, low: float, high: float, unit: str) -> None:
    """Every size in [low, high] is reached, and the ends are printed with all their digits."""
    if not low <= size <= high:
        found = f"0 and [{low!r}, {high!r}]" if low <= high else "0 alone"
        raise Unreachable(f"{what} reaches {unit} {found}, asked for {size!r}")


def _mix(law: InputLaw, contaminant: np.ndarray, size: float, slack: float = 0.0) -> Shift:
    """(1 - a) P + a Q at TV = a TV(P, Q) = size; Q itself up to a share `slack` beyond it."""
    whole = total_variation(*merged(law.atoms, law.weights, contaminant))
    _refuse_outside("a mixture with this contaminant", size, SMALLEST_TV, whole * (1 + slack), "TV")
    a = min(size / whole, 1.0)
    return Shift(law.reweighted((1 - a) * law.weights + a * contaminant), a)


@family("tv")
def contamination(law: InputLaw, size: float, atom: int = -1) -> Shift:
    """Huber contamination (1 - a) P + a delta_x with the last atom, or `atom`, as x: extremal for the TV bound."""
    n = len(law.weights)
    if not -n <= atom < n:
        raise ValueError(f"atom must be the index of one of {n} atoms, got {atom}")
    contaminant = np.zeros(n)
    contaminant[atom] = 1
    return _mix(law, contaminant, size)


@family("tv")
def class_prior(law: InputLaw, size: float, label: int = 1) -> Shift:
    """Label shift: mass moves to class `label` until TV = size; the laws within the classes stay."""
    contaminant = np.where(law.labels == label, law.weights, 0.0)
    if not contaminant.any():
        raise Unreachable(f"no atom of the law has label {label}")
    return _mix(law, contaminant / contaminant.sum(), size)


@family("tv")
def subset_removal(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Atoms vanish in a random order until TV = size, the last one in part; the rest keeps its proportions.

    The order is the same at every size, so that larger removals contain the smaller. The parameter is the number of
    atoms gone.
    """
    (owner,) = places(law.atoms)
    mass = np.bincount(owner, law.weights)  # of every place
    # In the order of the first row at each place.
    first = owner[np.sort(np.unique(owner, return_index=True)[1])]
    order = stream(seed, "subset_removal").permutation(first[mass[first] > 0])
    before = np.concatenate([[0.0], np.cumsum(mass[order])])
    _refuse_outside("a removal that leaves one atom", size, SMALLEST_TV, float(before[-2]), "TV")
    # Only vanishing atoms lose mass, so TV is the mass that they lose; all of it goes to the others in proportion.
    lost = np.zeros(len(mass))
    lost[order[:-1]] = np.clip(size - before[:-2], 0, mass[order[:-1]])
    kept = float(mass[lost == 0].sum())
    share = np.where(lost > 0, 1 - lost / np.where(mass > 0, mass, 1), 1 + lost.sum() / kept)
    return Shift(law.reweighted(law.weights * share[owner]), float((lost[lost > 0] / mass[lost > 0]).sum()))


def _tilt(law: InputLaw, feature: np.ndarray, size: float) -> Shift:
    """P'_i proportional to P_i exp(theta f_i) with theta > 0 at D(P' || P) = size: the exponential family through P.

    At the largest size only the atoms of the largest f are left, and theta is infinite. Rows with the same x share the
    mean of their f.
    """
    support = law.weights > 0
    f = finite_array(feature[support], "the feature of a tilt", "(N)")
    p = law.weights[support] / law.weights.sum()
    (owner,) = places(law.atoms[support])
    if owner.max() + 1 < len(owner):
        masses = np.bincount(owner, p)
        f = (np.bincount(owner, p * f) / masses)[owner]
    _refuse_outside("this tilt", size, SMALLEST_KL, reach(f, p), "KL")
    weights = np.zeros(len(support))
    weights[support], theta, _ = tilt(f, p, size)
    return Shift(law.reweighted(weights), theta)


@family("tv")
def law_mixture(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The straight way (1 - a) P + a Q to a given law Q (N,) on the same atoms, for instance a worst case."""
    given = _given(law, weight)
    # A ball's radius is known to fewer digits than the law that was found in it.
    return _mix(law, given, size, slack=TOLERANCE)


@family("kl")
def law_tilt(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The exponential way P^(1-a) Q^a, normalised, to a given law Q (N,) on the same atoms; a is the parameter."""
    given = _given(law, weight)
    (owner,) = places(law.atoms)
    p, q = (np.bincount(owner, weights)[owner] for weights in (law.weights, given))
    if (q[p > 0] <= 0).any():
        raise Unreachable("an exponential way needs a law with weight on every atom of the reference: mix it instead")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _tilt(law, np.where(p > 0, np.log(q) - np.log(p), 0.0), size)


def _given(law: InputLaw, weight: np.ndarray) -> np.ndarray:
    """The weights of a given law, if it is one on these atoms."""
    return law.reweighted(weight).weights


@family("kl")
def hamming_tilt(law: InputLaw, size: float) -> Shift:
    """Exponential tilt by the sum of the inputs (the Hamming weight of a bit pattern)."""
    return _tilt(law, law.atoms.sum(axis=1), size)


@family("kl")
def class_tilt(law: InputLaw, size: float, label: int = 1) -> Shift:
    """Exponential tilt by the indicator of class `label`."""
    return _tilt(law, (law.labels == label).astype(float), size)


@family("kl")
def feature_tilt(law: InputLaw, size: float, column: int = 0) -> Shift:
    """Exponential tilt by one coordinate of the input, towards its large values."""
    return _tilt(law, law.atoms[:, _column(law, column)], size)


@family("kl")
def information_tilt(law: InputLaw, size: float, pointwise: np.ndarray | None = None) -> Shift:
    """Exponential tilt by a layer's pointwise information i(x) (N,): the largest E_{P'} i at its KL divergence.

    To first order no law at that distance raises I(X;T_l) more; the opposite tilt is that of `-pointwise`.
    """
    if pointwise is None:
        raise Unreachable("this tilt reaches no size without `pointwise`, the i(x) of a layer at every atom")
    pointwise = np.asarray(pointwise)
    if pointwise.shape != law.weights.shape:
        raise ValueError(f"pointwise must have shape {law.weights.shape}, got {pointwise.shape}")
    return _tilt(law, np.where(law.weights > 0, pointwise, 0.0), size)


@family("w2", moves_atoms=True)
def direction_displacement(law: InputLaw, size: float, column: int | None = None) -> Shift:
    """Every atom moves by the same step of length `size`, so W_1 = W_2 = size exactly.

    Along coordinate `column`, or along the diagonal (1, ..., 1) that raises all inputs alike.
    """
    d = law.atoms.shape[1]
    _check_step(law, size)
    direction = np.full(d, d**-0.5) if column is None else np.eye(d)[_column(law, column)]
    return Shift(law.moved(law.atoms + size * direction), size)


def _check_step(law: InputLaw, size: float, **_: int) -> None:
    """Refuse steps that the rounding of the atoms would change, and steps whose squares leave float64."""
    scale = float(np.abs(law.atoms).max())
    _refuse_outside("a step of these atoms", size, SMALLEST_STEP * (scale or 1.0), LARGEST_STEP, "W_2")


@family("w2", moves_atoms=True, check=_check_step)
def gaussian_displacement(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Every atom moves by its own Gaussian step, all scaled together until W_2(P, P') = size.

    The steps are the same at every size. While each moved atom stays nearest to its own origin, W_2 is the
    root mean square of the steps; beyond, it is found by optimal transport and the scale is solved for it.
    """
    _check_step(law, size)
    steps = stream(seed, "gaussian_displacement").standard_normal(law.atoms.shape)
    steps /= math.sqrt(float(law.weights @ (steps**2).sum(axis=1)))

    def distance(scale: float) -> float:
        return wasserstein(law, law.moved(law.atoms + scale * steps), 2).value

    scale = size
    excess = distance(scale) - size
    if abs(excess) > 1e-9 * size:
        upper = size
        while distance(upper) < size:
            upper *= 1.1
        scale = brentq(lambda s: distance(s) - size, size, upper, xtol=1e-9 * size, rtol=1e-9)
    return Shift(law.moved(law.atoms + scale * steps), scale)


def _column(law: InputLaw, column: int) -> int:
    d = law.atoms.shape[1]
    if not -d <= column < d:
        raise ValueError(f"column must be the index of one of {d} coordinates, got {column}")
    return column
