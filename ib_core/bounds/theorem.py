"""What a theorem is to the table of theorems, and the cases that it is applied to."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from ib_core.laws.coupling import Steps

Interval = tuple[float, float]


class Bound(NamedTuple):
    """What a theorem allows in one case, nats.

    Attributes:
        value: the bound.
        note: what it was computed from here.
        lower, upper: of a certificate, which encloses I(X';T_l) itself.
        monte_carlo: of a certificate: how much of the bound is for Monte Carlo error.
    """

    value: float
    note: str = ""
    lower: float = math.nan
    upper: float = math.nan
    monte_carlo: float = math.nan


class Clean(NamedTuple):
    """i(x) of a layer under the reference law, from above with its errors and from below, that law, each (N,), and the
    bracket of its information."""

    pointwise: np.ndarray
    stderr: np.ndarray
    low: np.ndarray
    weights: np.ndarray
    bracket: Interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Shift:
    """A layer and a shift of the law of its input, or all laws of a ball: what a bound on the change may use.

    Attributes:
        layer, d, beta: number, width and noise of the layer.
        half_width: of the activation; None where it has no bound.
        capacity: the smallest of the layers up to this one.
        n: atoms in the union of both supports.
        tv, kl: distances, in a ball at most.
        tv_how: how the total variation was obtained.
        w1, w2, w2_how: distances that the atoms moved.
        lipschitz: constant of X -> S_l; infinite where none is known.
        clean: what is known of clean data, where P' has the atoms of P.
        weights: of P and of P' on the same atoms, where that is all that was changed.
        change: bracket of the change, whose sign some bounds use.
        parts: TV, and brackets of what the removed and the added part know.
        steps: how far the signals moved, where atoms moved.
    """

    layer: int
    d: int
    beta: float
    half_width: float | None
    capacity: float
    n: int
    tv: float = 1.0
    tv_how: str = ""
    kl: float = math.inf
    w1: float = math.inf
    w2: float = math.inf
    w2_how: str = ""
    lipschitz: float = math.inf
    clean: Clean | None = None
    weights: tuple[np.ndarray, np.ndarray] | None = None
    change: Interval = (-math.inf, math.inf)
    parts: tuple[float, Interval, Interval] | None = None
    steps: Steps | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout:
    """What is read out of the last layer, where it is a cut, and how far a law of (X, Y) on the same atoms is away.

    Attributes:
        losses: (N,) cross-entropy of each atom's label, averaged over the noise.
        stderr: (N,) of their standard errors.
        labels: (N,) classes of the atoms.
        weights: (N,) of the reference law.
        tv, kl: of the other law from it, as laws of (X, Y).
    """

    losses: np.ndarray
    stderr: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    tv: float
    kl: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PlugIn:
    """A plug-in estimate of I(X;T_l).

    Attributes:
        weights: (n,) of its inputs, enumerated or drawn.
        n_passes: noisy passes of each.
        layer, d, beta, half_width: as of a `Shift`.
        reference: of the law of clean inputs, where the estimate was made on those.
        shift: the smallest bound on the change between the two laws.
        by: the theorem which gives it.
        slides_constant: c of an entropy risk c^d / sqrt(n); by default 1/sqrt(2) + r / beta.
    """

    weights: np.ndarray
    n_passes: int
    layer: int
    d: int
    beta: float
    half_width: float | None
    reference: np.ndarray | None = None
    shift: float = math.nan
    by: str = ""
    slides_constant: float | None = None

    @property
    def n(self) -> int:
        """How many inputs there are."""
        return len(self.weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """A plug-in estimate of h(S + Z) from samples of S.

    Attributes:
        n: samples.
        d, beta: width and noise.
        n_atoms: size of the support, where it is finite.
        psi2: subgaussian norm of a law that does not lie in the cube [-1, 1]^d.
        grid_epsilon: decoding error of a law that is uniform on a grid.
    """

    n: int
    d: int
    beta: float
    n_atoms: int | None = None
    psi2: float | None = None
    grid_epsilon: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Theorem:
    """One row of the table of theorems.

    Attributes:
        name: in tables and metrics.
        concerns: the comparisons that it is held against: those of a sweep ("deviation" |I(X';T_l) - I(X;T_l)|,
            "estimation" E|I_SP - I| under the law of the row, "shifted_estimate" |I(X';T_l) - I_SP| for the estimate
            under the reference law, "label" I(T;Y) of the last layer) and of a calibration ("entropy" of samples,
            "bracket" of enumerated inputs, information of "sampled" inputs).
        quantity: what it bounds there: a "change", information of the "label", or of an estimate the "risk", the "bias"
            or the "sd".
        distance: in which it measures the shift: "tv", "kl" or "wasserstein"; "none" for an estimate's error.
        form: of a bound for every law of a ball, the name of its column in the table of worst cases: "seed".
        uses_data: whether it needs more of the layer than its widths, noise and activation.
        label: for figures and tables that people read.
        statement: the bound in symbols, as `NOTATION` of `theorems_page` has them.
        hypotheses: under which it holds, in words.
        channel: of which it speaks: the "true" one, or that of the "stored passes".
        source: where it is proved.
        standing: "proven"; or shown for comparison, as it holds for n "large enough" without saying how large, or is a
            "misprint".
        above: whether it bounds from above.
        function: the function of `ib_core.bounds` that computes it; None where there is nothing to compute.
        bound: applies it to a `Shift`, a `Readout`, a `PlugIn` or `Samples`; None where its hypotheses do not hold.
    """

    name: str
    concerns: tuple[str, ...]
    quantity: Literal["change", "label", "risk", "bias", "sd"]
    distance: str = "none"
    form: str = ""
    uses_data: bool = False
    label: str
    statement: str
    hypotheses: str
    channel: Literal["true", "stored passes"] = "true"
    source: str
    standing: Literal["proven", "large enough", "misprint"] = "proven"
    above: bool = True
    function: Callable[..., Any] | None
    bound: Callable[[Any], Bound | None]

    @property
    def proven(self) -> bool:
        """Whether a comparison that contradicts it shows a fault of ours."""
        return self.standing == "proven"
