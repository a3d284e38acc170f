"""Draw until the standard error is small enough."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import entr, expit, host, largest, namespace
from ib_core.estimate import WIDTH
from ib_core.sampling.draws import Chosen, Draws, most_seen, seen
from ib_core.sampling.strata import Strata, Unit

EVENTS = 6.0  # expected unseen events at which seeing none has a probability of 1/400
ROUND_BYTES = 2**28  # of the points of one round
ENOUGH = 1e18  # times as many draws as there are: as many as there may be
STEPS = 14  # bisections: four digits of an error, rounded up
LEAST_SHARE = 0.1  # of a target's square that is left to draws, whatever else adds to an error
MOST_WIDENING = 1.5  # that further units are planned by
MARGIN = 1.2  # more units than the error so far asks for, so that a further round is rarely needed


class Unseen(NamedTuple):
    """How far passes of the network like none seen before may move an information, by the side that they move it to.

    With probability 399/400 they have happened at least once where EVENTS of them were to be expected. Let q_i be their
    probability in atom i, E the indicator, q = sum_i w_i q_i. They take at most I(E;T|X) + q I <= sum_i w_i H_b(q_i) +
    q H(X) from I(X;T), and add at most I(X;E) + q H(X|E=1) <= sum_i w_i q_i (1 - ln w_i) to it.

    Attributes:
        weights: (atoms, K) of the laws; on the device, where there is one, as `counts`.
        counts: (atoms,) passes of each atom that were seen.
        loss: whether an end could be too high, as a lower one, rather than too low.
    """

    weights: Any
    counts: Any
    loss: bool

    def errors(self) -> np.ndarray:
        """(K,) as standard errors."""
        w = self.weights
        xp = namespace(w)
        log = xp.log(xp.where(w > 0, w, 1.0))
        share = w / self.counts[:, None]
        if not self.loss:
            return host(EVENTS * largest(share * (1 - log)) / WIDTH)
        # The most of sum_i w_i (H_b(q_i) + q_i H) with EVENTS = sum_i counts_i q_i: there the slopes
        # w_i / counts_i (ln((1 - q_i) / q_i) + H) are all equal, or 0 where so many events do not find room.
        entropy = abs((w * log).sum(0))
        low, high = xp.zeros(w.shape[1]), largest(share) * (entropy + 40.0)
        weightless = share == 0
        divisor = xp.where(weightless, 1.0, share)

        def probabilities(slope: Any) -> Any:
            return expit(entropy - xp.where(weightless, xp.inf, slope / divisor))

        counts = xp.asarray(self.counts, xp.float64)
        for _ in range(STEPS):
            slope = (low + high) / 2
            more = counts @ probabilities(slope) > EVENTS
            low, high = xp.where(more, slope, low), xp.where(more, high, slope)
        q = probabilities(low)
        return host((w * (entr(q) + entr(1 - q) + q * entropy)).sum(0) / WIDTH)


def planned_units(
    weights: np.ndarray,
    signals: np.ndarray,
    targets: np.ndarray,
    share: np.ndarray,
    variance: np.ndarray,
    units: range,
    xp: Any = np,
) -> int:
    """The least of so many `units` that are enough where one of them leaves that variance (V, K), or the last of them.

    Enough is what meets the targets (K,) under all laws (n, K), but where events of heavy atoms are what is missing,
    and twice as many units would show few more of their signals (n,).
    """
    most, laws = most_seen((weights * share).max(1)), xp.asarray(weights)

    def events(count: int) -> np.ndarray:
        shown = np.minimum(seen(signals, most, count) * count, signals)
        return np.square(Unseen(laws, xp.asarray(shown), loss=True).errors())

    def enough(count: int) -> bool:
        now, drawn = events(count), variance.max(0) / count
        met = drawn + now <= np.square(targets)
        return bool(met.all() or (met | ((drawn <= now) & (events(2 * count) > now / 2))).all())

    return units[bisect_left(units, True, hi=len(units) - 1, key=enough)]


class Spread(NamedTuple):
    """What is known of the errors of means under K columns together: their covariance, and what no spread can show."""

    covariance: np.ndarray  # (K, K)
    widening: np.ndarray  # (K,) for few degrees of freedom
    shares: np.ndarray  # (atoms, K) of the means, what one independent event weighs
    sampled: bool

    def error(self, share: np.ndarray) -> float:
        """Standard error of the sum of `share` (K,) times the means.

        An event of which there was no instance may still have a probability of one in all draws, or, where it is a pass
        of the network, of EVENTS.
        """
        variance = float(share @ self.covariance @ share)
        widening = self.widening[share != 0].max(initial=1.0)
        event = float(np.abs(self.shares @ share).max())
        if self.sampled:
            event *= EVENTS * (1 - math.log(min(max(event, 1e-300), 1.0))) / WIDTH
        return math.hypot(math.sqrt(max(variance, 0.0)) * widening, event)


@dataclass(frozen=True)
class Sampled:
    """Means of V variables under K columns, and what is known of their errors."""

    means: np.ndarray  # (V, K)
    errors: np.ndarray  # (V, K) standard errors
    stratum_means: Any  # (V, strata, K), where the draws were
    stratum_variances: Any  # (V, strata, K) of the stratum means, from few degrees of freedom each
    spreads: list[Spread]  # of the first variables
    draws: int
    units: int
    reached: np.ndarray  # (K,)


class _Parts(NamedTuple):
    """What the errors of V means under K columns are made of.

    Attributes:
        covariance: (full, K, K), see `Strata`.
        variance, widening: (V, K), likewise.
        events: (V, K) standard errors for events of which there was no instance.
    """

    covariance: np.ndarray
    variance: np.ndarray
    widening: np.ndarray
    events: np.ndarray

    def errors(self) -> np.ndarray:
        """(V, K) standard errors, see Spread."""
        return np.sqrt(self.variance * np.square(self.widening) + np.square(self.events))


class Sampler:
    """One family of draws on its way to a target.

    Args:
        draws: where the points come from.
        full: so many first variables get their covariance between columns.
        judged: whether the means meet the target is judged by so many first variables.
        targets: (K,) standard errors to reach.
        max_draws: most points; the first `least` units are drawn in any case.
        variance: (judged, K) of the means from one unit, as far as it is known; the first round is planned by it.
        lower: the variables that are lower ends, see `Unseen`.
        besides: (judged, K) errors that are added to those of these draws before they meet a target.
    """

    def __init__(
        self,
        draws: Draws,
        full: int,
        judged: int,
        targets: np.ndarray,
        max_draws: int,
        *,
        variance: np.ndarray | None = None,
        least: int = 2,
        lower: Sequence[int] | slice = (),
        besides: np.ndarray | None = None,
    ) -> None:
        self.draws, self.full, self.judged, self.targets, self.xp = draws, full, judged, targets, draws.xp
        self.lower = lower if isinstance(lower, slice) else list(lower)
        self.blocks = 0
        self.strata: Strata | None = None
        self.first: list[Unit] = []  # units that wait for a second one, since slopes need two
        available = math.inf if draws.max_units is None else draws.max_units
        self.most = math.ceil(min(available, max(least, max_draws // draws.points * draws.units)) / draws.units)
        self.needed = min(available, 2)
        self.besides = np.zeros((judged, len(targets))) if besides is None else besides
        self.wanted = math.ceil(min(least / draws.units, self.most))
        self.least_events = self._events(self.most * draws.units, judged)
        if variance is not None:
            more = self._more(variance / draws.units, self._events(draws.units, judged))
            self.wanted = math.ceil(min(max(more, self.wanted), self.most))
        self.per_round = max(1, ROUND_BYTES // (8 * draws.points * draws.atoms.d))

    def chosen(self) -> list[Chosen]:
        """The blocks of the next round; none where the target is met or nothing is left to draw."""
        if self.blocks >= self.wanted and self.strata:
            parts = self._parts()
            if self._needed(parts) > 1:
                # Few degrees of freedom become more with every unit: they are not planned for.
                more = self._needed(parts, MOST_WIDENING)
                self.wanted = int(min(self.most, max(self.blocks + 1, MARGIN * more * self.blocks)))
        last = min(self.wanted, self.blocks + self.per_round)
        return [self.draws.block(block) for block in range(self.blocks, last)]

    def add(self, values: Any, controls: Any) -> None:
        """Values (V, m, K) and controls (m, controls) of the next of the blocks that were chosen."""
        self.blocks += 1
        units = list(zip(self.draws.by_unit(values), self.draws.by_unit(controls), strict=True))
        if self.strata:
            for unit in units:
                self.strata.add(unit)
            return
        self.first += units
        if len(self.first) >= self.needed:
            self.strata = Strata(self.draws.weights, self.full, self.first)
            self.first = []

    def _parts(self) -> "_Parts":
        """Of the errors so far."""
        assert self.strata is not None
        covariance, variance = self.strata.spread()
        events = self._events(self.strata.units, len(variance))
        return _Parts(covariance, np.maximum(variance, 0.0), self.strata.widening(), events)

    def _needed(self, parts: "_Parts", most: float = math.inf) -> float:
        """How many times as many units would do, with errors that are widened at most so much."""
        variance = parts.variance * np.square(np.minimum(parts.widening, most))
        return self._more(variance[: self.judged], parts.events[: self.judged])

    def _events(self, units: int, variables: int) -> np.ndarray:
        """(V, K) standard error for events of which there was no instance in so many units."""
        if not self.draws.sampled:
            return np.tile((self.draws.shares / units).max(0), (variables, 1))
        seen = self.draws.weights, self.xp.asarray(self.draws.seen * units)
        events = np.tile(Unseen(*seen, loss=False).errors(), (variables, 1))
        if self.lower:
            events[self.lower] = Unseen(*seen, loss=True).errors()
        return events

    def _more(self, variance: np.ndarray, events: np.ndarray) -> float:
        """How many times as many units the judged variables need, as variance falls with them and events squared.

        Where all draws there may be would leave a larger error than the target, next to that is enough.
        """
        allowed = np.square(self.targets)
        allowed = np.maximum(allowed - np.square(self.besides), allowed * LEAST_SHARE)
        allowed = np.maximum(allowed, np.square(MARGIN * self.least_events))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            more = (variance + np.sqrt(np.square(variance) + 4 * allowed * np.square(events))) / (2 * allowed)
        return min(float(np.nan_to_num(more, nan=ENOUGH, posinf=ENOUGH).max(initial=0.0)), ENOUGH)

    def result(self) -> Sampled:
        """What the draws so far say."""
        strata, parts = self.strata, self._parts()
        assert strata is not None
        errors, shares = parts.errors(), self.draws.shares / strata.units
        return Sampled(
            means=strata.means(),
            errors=errors,
            stratum_means=strata.stratum_means(),
            stratum_variances=strata.stratum_variances(),
            spreads=[
                Spread(parts.covariance[v], parts.widening[v], shares, self.draws.sampled) for v in range(self.full)
            ],
            draws=strata.units * (self.draws.points // self.draws.units),
            units=strata.units,
            reached=np.all(np.hypot(errors[: self.judged], self.besides) <= self.targets, axis=0),
        )


def sample(
    draws: Draws,
    variables: Callable[[Any, Any], Any],
    judged: int,
    target_stderr: float | np.ndarray,
    max_draws: int,
) -> Sampled:
    """Average variables over draws around the atoms' own centres until they meet the target under every column.

    Args:
        draws: where the points come from; their signals are the centres of their atoms.
        variables: maps points (m, d) and their atoms (m,) to values (V, m, K).
        judged: by how many of them it ends; these also get their covariance between columns.
        target_stderr: the standard errors to reach, (K,) or one for all.
        max_draws: most points; the first two units are drawn in any case.
    """
    targets = np.broadcast_to(np.asarray(target_stderr, dtype=np.float64), draws.weights.shape[1])
    sampler = Sampler(draws, judged, judged, targets, max_draws)
    while chosen := sampler.chosen():
        for block in chosen:
            centres = draws.atoms.there[block.atom, block.signal]
            sampler.add(variables(centres + block.noise, block.atom), draws.controls(block, centres))
    return sampler.result()
