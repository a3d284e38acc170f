"""Shifts P_X -> P_X' of the input law, each with its size set in a metric.

A *reweighting* keeps the atoms and changes their weights; a *moved* law keeps the weights and changes the atoms. A
family is one function `(law, size, **parameters) -> Shift`, entered with `@family(metric)`: that is all it needs. In a
module of your own, `my_shifts.py`, it is named `my_shifts.function`. A parameter that is an array (N,) is given in a
sweep as a file with a row for each atom.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from ib_core.divergences import kl_divergence, total_variation
from ib_core.input_law import InputLaw
from ib_core.streams import stream
from ib_core.wasserstein import wasserstein

# Below this a tilt is lost in the rounding of the weights.
SMALLEST_KL = 1e-12


class Unreachable(ValueError):
    """The family cannot reach the size that was asked for."""


class Shift(NamedTuple):
    """A shifted law and the parameter that gives it its size (mixing weight, tilt or scale)."""

    law: InputLaw
    parameter: float


class Family(NamedTuple):
    """A family of shifts: the metric of its sizes, whether it moves atoms, and its function."""

    metric: Literal["tv", "kl", "w2"]
    moves_atoms: bool
    apply: Callable[..., Shift]


FAMILIES: dict[str, Family] = {}


def family(metric: Literal["tv", "kl", "w2"], *, moves_atoms: bool = False) -> Callable:
    """Enter a function `(law, size, **parameters) -> Shift` into `FAMILIES`, as `function` or `module.function`."""

    def enter(apply: Callable[..., Shift]) -> Callable[..., Shift]:
        name = apply.__name__ if apply.__module__ == __name__ else f"{apply.__module__}.{apply.__name__}"
        FAMILIES[name] = Family(metric, moves_atoms, apply)
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
    if size == 0:
        return Shift(law, 0.0)
    metric, _, apply = FAMILIES[name]
    shift = apply(law, size, **parameters)
    found = _distance(metric, law, shift.law)
    if not abs(found - size) <= 1e-6 * size:
        raise ArithmeticError(f"{name} was asked for {metric} = {size:g} and returned a law at {found:.9g}")
    return shift


def _distance(metric: str, law: InputLaw, shifted_law: InputLaw) -> float:
    """The distance from `law` in a family's metric; W_2 between large laws is that of the family's own coupling."""
    if metric == "w2":
        return wasserstein(law, shifted_law, 2).value
    measure = total_variation if metric == "tv" else kl_divergence
    return measure(shifted_law.weights, law.weights)


def _mix(law: InputLaw, contaminant: np.ndarray, size: float) -> Shift:
    """(1 - a) P + a Q at TV = a TV(P, Q) = size."""
    reach = total_variation(law.weights, contaminant)
    if size > reach:
        raise Unreachable(f"a mixture with this contaminant reaches TV in [0, {reach:.6g}], asked for {size:g}")
    a = size / reach
    return Shift(law.reweighted((1 - a) * law.weights + a * contaminant), a)


@family("tv")
def contamination(law: InputLaw, size: float, atom: int = -1) -> Shift:
    """Huber contamination (1 - a) P + a delta_x with the last atom, or `atom`, as x: extremal for the TV bound."""
    contaminant = np.zeros(len(law.weights))
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
    order = stream(seed, "subset_removal").permutation(np.flatnonzero(law.weights))
    before = np.concatenate([[0.0], np.cumsum(law.weights[order])[:-1]])
    reach = 1 - float(law.weights[order[-1]])
    if size > reach:
        raise Unreachable(f"a removal that leaves one atom reaches TV in [0, {reach:.6g}], asked for {size:g}")
    # Only vanishing atoms lose mass, so TV is the mass that they lose; all of it goes to the others in proportion.
    lost = np.clip(size - before, 0, law.weights[order])
    touched = order[lost > 0]
    weights = law.weights.copy()
    weights[order] -= lost
    kept = np.ones(len(weights), bool)
    kept[touched] = False
    weights[kept] *= (1 - weights[touched].sum()) / weights[kept].sum()
    return Shift(law.reweighted(weights), float((lost[lost > 0] / law.weights[touched]).sum()))


def _tilt(law: InputLaw, feature: np.ndarray, size: float) -> Shift:
    """P'_i proportional to P_i exp(theta f_i) with theta > 0 at D(P' || P) = size: the exponential family through P."""
    support = law.weights > 0
    f = np.where(support, feature - feature[support].max(), 0.0)
    reach = -math.log(law.weights[support & (f == 0)].sum())
    if not SMALLEST_KL <= size < reach * (1 - 1e-12):
        raise Unreachable(f"this tilt reaches KL 0 and [{SMALLEST_KL:g}, {reach:.6g}) nats, asked for {size:g}")
    log_weights = np.log(law.weights, where=support, out=np.full(len(f), -np.inf))

    def tilted(theta: float) -> np.ndarray:
        exponent = log_weights + theta * f
        return np.exp(exponent - logsumexp(exponent))

    upper = 1.0
    while kl_divergence(tilted(upper), law.weights) < size:
        upper *= 2
    theta = brentq(lambda t: kl_divergence(tilted(t), law.weights) - size, 0, upper, xtol=1e-15, rtol=1e-14)
    weights = tilted(theta)
    return Shift(law.reweighted(weights / weights.sum()), theta)


@family("tv")
def law_mixture(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The straight way (1 - a) P + a Q to a given law Q (N,) on the same atoms, for instance a worst case."""
    given = _given(law, weight)
    reach = total_variation(law.weights, given)
    # A ball's radius is known to fewer digits than the law that was found in it.
    return _mix(law, given, min(size, reach) if size <= reach * (1 + 1e-6) else size)


@family("kl")
def law_tilt(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The exponential way P^(1-a) Q^a, normalised, to a given law Q (N,) on the same atoms; a is the parameter."""
    given = _given(law, weight)
    if (given[law.weights > 0] <= 0).any():
        raise Unreachable("an exponential way needs a law with weight on every atom of the reference: mix it instead")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _tilt(law, np.where(law.weights > 0, np.log(given) - np.log(law.weights), 0.0), size)


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
    return _tilt(law, law.atoms[:, column], size)


@family("kl")
def information_tilt(law: InputLaw, size: float, pointwise: np.ndarray | None = None) -> Shift:
    """Exponential tilt by a layer's pointwise information i(x) (N,): the largest E_{P'} i at its KL divergence.

    To first order no law at that distance raises I(X;T_l) more; the opposite tilt is that of `-pointwise`.
    """
    if pointwise is None:
        raise Unreachable("this tilt reaches no size without `pointwise`, the i(x) of a layer at every atom")
    if pointwise.shape != law.weights.shape:
        raise ValueError(f"pointwise must have shape {law.weights.shape}, got {pointwise.shape}")
    return _tilt(law, np.where(law.weights > 0, pointwise, 0.0), size)


@family("w2", moves_atoms=True)
def direction_displacement(law: InputLaw, size: float, column: int | None = None) -> Shift:
    """Every atom moves by the same step of length `size`, so W_1 = W_2 = size exactly.

    Along coordinate `column`, or along the diagonal (1, ..., 1) that raises all inputs alike.
    """
    d = law.atoms.shape[1]
    direction = np.full(d, d**-0.5) if column is None else np.eye(d)[column]
    return Shift(law.moved(law.atoms + size * direction), size)


@family("w2", moves_atoms=True)
def gaussian_displacement(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Every atom moves by its own Gaussian step, all scaled together until W_2(P, P') = size.

    The steps are the same at every size. While each moved atom stays nearest to its own origin, W_2 is the
    root mean square of the steps; beyond, it is found by optimal transport and the scale is solved for it.
    """
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
