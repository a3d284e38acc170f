"""Families of shifts P_X -> P_X' of the input law, each with its size set in a metric.

Sizes are distances between the laws of X: rows with the same x are one atom, whatever their labels. Where the metric is
"severity" they are the family's own (degrees, pixels, shares), distances are measured beside them, and the severity can
be solved for a W_2.

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

from ib_core.laws.divergences import kl_divergence, total_variation
from ib_core.laws.input_law import InputLaw, merged
from ib_core.laws.severity import farthest, severity_at
from ib_core.laws.wasserstein import largest_step, root_mean_square_step, wasserstein
from ib_core.members import Registry

# A law misses its size by at most this share of it.
TOLERANCE = 1e-6
# Below these a shift is lost in the rounding of the weights, or of the atoms in units of the largest coordinate.
SMALLEST_KL = 1e-12
SMALLEST_TV = 1e-9
SMALLEST_STEP, LARGEST_STEP = 1e-8, 1e100

Metric = Literal["tv", "kl", "w2", "winf", "severity"]
Measure = Callable[[InputLaw, InputLaw], float]


class Unreachable(ValueError):
    """The family cannot reach the size that was asked for."""


class Shift(NamedTuple):
    """A shifted law and the parameter that gives it its size (mixing weight, tilt or scale)."""

    law: InputLaw
    parameter: float


class Family(NamedTuple):
    """A family of shifts.

    Attributes:
        metric: of its sizes.
        moves_atoms: whether it moves atoms instead of changing weights.
        apply: its function `(law, size, **parameters)`.
        check: raises what the function would; None calls the function.
        largest: severity, a number or a function `(law, **parameters)`.
        sees_network: whether the function needs the network that is measured, as its parameter `network`.
        keeps_labels: whether every atom keeps its label.
    """

    metric: Metric
    moves_atoms: bool
    apply: Callable[..., Shift]
    check: Callable[..., object] | None = None
    largest: float | Callable[..., float] = math.inf
    sees_network: bool = False
    keeps_labels: bool = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics in which a size can be given, the family's own first."""
        return (self.metric, "w2") if self.metric == "severity" and self.largest != math.inf else (self.metric,)


FAMILIES = Registry("ib_core.shifts", Family, made="a function under @family")


def family(
    metric: Metric,
    *,
    moves_atoms: bool = False,
    check: Callable[..., object] | None = None,
    largest: float | Callable[..., float] = math.inf,
    sees_network: bool = False,
    keeps_labels: bool = True,
) -> Callable[[Callable[..., Shift]], Family]:
    """Make a function `(law, size, **parameters) -> Shift` a family.

    Args:
        metric: of its sizes. "severity" is the family's own unit: it is not held to a distance.
        moves_atoms: whether it moves atoms instead of changing weights.
        check: `(law, size, **parameters)`, which raises for what the function would refuse; for one that takes long.
        largest: severity that it has, a number or `(law, **parameters) -> float`. With one, a severity is found for
            a W_2, too.
        sees_network: whether it needs the network, a parameter `network` that is `(x (n, d) float32, generator)
            -> logits`, one noisy pass.
        keeps_labels: whether every atom keeps its label.
    """
    if metric == "severity" and not moves_atoms:
        raise ValueError("a family of metric severity must move atoms")

    return lambda apply: Family(metric, moves_atoms, apply, check, largest, sees_network, keeps_labels)


def shifted(name: str, law: InputLaw, size: float, metric: str | None = None, **parameters) -> Shift:
    """Apply a family; size 0 is the law itself, bit for bit.

    Args:
        name: of a built-in family, or `module.function`.
        law: the reference law.
        size: distance to the reference in the metric (TV in [0, 1], KL in nats, W_2 and W_inf in input units), or the
            severity in the family's unit. A W_inf is not exceeded.
        metric: "w2" for a family by severity solves the severity for that distance, which is then the parameter of the
            shift; None is the family's own.
        parameters: of the family; `network` for one that sees it.

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
        >>> image = InputLaw([[0.0, 0.0, 0.5, 1.0]], [1.0], [0], shape=(2, 2))
        >>> shifted("brightness", image, 0.25).law.atoms.tolist()
        [[0.25, 0.25, 0.75, 1.0]]
    """
    if not size >= 0:
        raise ValueError(f"size must be a non-negative number, got {size}")
    if size == 0:
        return Shift(law, 0.0)
    wanted = _metric(name, metric)
    if wanted == FAMILIES.find(name).metric:
        shift = _applied(name, law, size, **parameters)
        found = _distance(wanted, law, shift.law, parameters.get("norm", "l2"))
    else:
        shift = _at_w2(name, law, size, root_mean_square_step, **parameters)
        found = _distance(wanted, law, shift.law)
        if found < size * (1 - TOLERANCE):  # another coupling is shorter than that along the steps
            shift = _at_w2(name, law, size, partial(_distance, "w2"), least=shift.parameter, **parameters)
            found = _distance(wanted, law, shift.law)
    if wanted == "severity" or (wanted == "winf" and found <= size):
        return shift
    if not abs(found - size) <= TOLERANCE * size:
        raise ArithmeticError(f"{name} was asked for {wanted} = {size:g} and returned a law at {found:.9g}")
    return shift


def check_shift(name: str, law: InputLaw, size: float, metric: str | None = None, **parameters) -> None:
    """Raise what `shifted` would for these parameters, without the optimal transport that moved laws may need.

    A built-in family by severity is called for two atoms alone, all of which it treats alike, and for all atoms only to
    see which W_2 it reaches. One that sees the network needs none here.
    """
    entered = FAMILIES.find(name)
    wanted = _metric(name, metric)
    if entered.check is None and not entered.moves_atoms:
        shifted(name, law, size, **parameters)
    elif size == 0:
        return
    elif entered.check is not None:
        entered.check(law, size, **parameters)
    elif wanted != entered.metric:
        _check_w2(name, law, size, **parameters)
    elif not entered.sees_network:
        few = entered.metric == "severity" and "." not in name
        _applied(name, _first_atoms(law) if few else law, size, **parameters)


def _metric(name: str, metric: str | None) -> str:
    """The metric of a size: the one that was asked for, if the family has it, or the family's own."""
    entered = FAMILIES.find(name)
    if metric is not None and metric not in entered.metrics:
        raise ValueError(f"metric must be {' or '.join(entered.metrics)} for {name}, got {metric!r}")
    return metric or entered.metric


def _first_atoms(law: InputLaw) -> InputLaw:
    """The first atoms of a law, for what a family refuses whatever the atoms."""
    n = min(2, len(law.atoms))
    return InputLaw(law.atoms[:n], np.full(n, 1 / n), law.labels[:n], law.shape)


def _applied(name: str, law: InputLaw, size: float, **parameters) -> Shift:
    """What the function of a family returns, if it is a shift of this kind."""
    entered = FAMILIES.find(name)
    if entered.metric == "severity" and not size <= (largest := _largest(name, law, **parameters)):
        raise Unreachable(f"{name} reaches severity [0, {largest!r}], asked for {size!r}")
    if entered.sees_network and parameters.get("network") is None:
        raise ValueError(f"{name} must be given the network that it sees, as network=")
    shift = entered.apply(law, size, **parameters)
    if not (isinstance(shift, Shift) and isinstance(shift.law, InputLaw)):
        raise TypeError(f"{name} must return a Shift of a law and a parameter, got {type(shift).__name__}")
    if not entered.moves_atoms and not np.array_equal(shift.law.atoms, law.atoms):
        raise ValueError(f"{name} must keep the atoms, or be entered with moves_atoms=True")
    if entered.keeps_labels and not np.array_equal(shift.law.labels, law.labels):
        raise ValueError(f"{name} must keep the labels, or be entered with keeps_labels=False")
    return shift


def _largest(name: str, law: InputLaw, **parameters) -> float:
    """The largest severity of a family."""
    largest = FAMILIES.find(name).largest
    return float(largest(law, **parameters)) if callable(largest) else largest


def _at_w2(name: str, law: InputLaw, size: float, measure: Measure, least: float = 0.0, **parameters) -> Shift:
    """The shift at the first severity from `least` on that has this W_2, as `measure` finds it."""
    largest = _largest(name, law, **parameters)
    severity = severity_at(max(size, least_step(law)), _far(name, law, measure, **parameters), largest, least)
    if severity is None or size < least_step(law):
        raise _beyond(name, law, size, measure, **parameters)
    return Shift(_applied(name, law, severity, **parameters).law, severity)


def _check_w2(name: str, law: InputLaw, size: float, **parameters) -> None:
    """Refuse a W_2 that steps of no severity reach."""
    far = _far(name, law, root_mean_square_step, **parameters)
    if size < least_step(law) or farthest(size, far, _largest(name, law, **parameters)) < size:
        raise _beyond(name, law, size, root_mean_square_step, **parameters)


def _beyond(name: str, law: InputLaw, size: float, measure: Measure, **parameters) -> Unreachable:
    most = farthest(math.inf, _far(name, law, measure, **parameters), _largest(name, law, **parameters))
    return Unreachable(f"{name} reaches W_2 0 and [{least_step(law)!r}, {most!r}], asked for {size!r}")


def _far(name: str, law: InputLaw, measure: Measure, **parameters) -> Callable[[float], float]:
    """How far a severity takes the law."""
    return lambda severity: measure(law, _applied(name, law, severity, **parameters).law)


def least_step(law: InputLaw) -> float:
    """The least step of these atoms that their rounding does not change."""
    return SMALLEST_STEP * (float(np.abs(law.atoms).max()) or 1.0)


def _distance(metric: str, law: InputLaw, shifted_law: InputLaw, norm: str = "l2") -> float:
    """The distance from `law` in a family's metric; W_2 between large laws is that of the family's own coupling."""
    if metric == "severity":
        return math.nan
    if metric == "winf":
        return largest_step(law, shifted_law, norm)
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
