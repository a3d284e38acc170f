"""How long a run takes: the forecasts of its units over its workers, corrected by how true they were so far."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import ib_core
from flows.execution.plan import Plan, State
from flows.execution.quantities import counted, duration

START_S = 8.0  # Prefect's server and Ray, side by side
COMPILE_S = 45.0  # the kernels, once on a machine
# MLflow: its import and the look at what is there, and what is new. A run takes .037 s of a core
# (105 and 487 runs); for a cell to compute there are .14 to 1.6, fewest where epochs are many: these are its steps.
TRACKING_S, TRACKING_CELL_S = 5.0, 0.04
TRACKING = "tracking"
PRIOR_S = 10.0  # seconds of forecasts that the first units have to outweigh before they speak for all others


def makespan(costs: Collection[float], workers: int) -> float:
    """Seconds that units of these costs take side by side, the dearest first."""
    return max(sum(costs) / max(1, workers), max(costs, default=0.0))


class Forecast:
    """What a run is expected to take, stage by stage; while it runs, what is left.

    Every method that depends on the time is told it, in seconds of any clock.

    Args:
        costs: seconds on one core of each unit still to make, by stage and label.
        workers: processes at once.
        start: seconds until the first stage begins.
    """

    def __init__(self, costs: Mapping[str, Mapping[str, float]], workers: int, start: float = 0.0) -> None:
        self.workers, self.start = max(1, workers), start
        self._ahead = {stage: dict(units) for stage, units in costs.items()}
        self._stage = ""
        self._left: dict[str, float] = {}  # forecasts of the units of this stage that have not ended
        self._known = self._spent = self._counted = self._ended = self._prior = 0.0
        self._run_known = self._run_spent = 0.0
        self._began = self._news = 0.0

    @property
    def total(self) -> float:
        """Seconds of the whole run, as it was planned."""
        return self.start + sum(makespan(units.values(), self.workers) for units in self._ahead.values())

    def __str__(self) -> str:
        return f"{duration(self.total)} on {counted(self.workers, 'worker')}"

    def begin(self, stage: str, count: int, costs: Mapping[str, float], now: float) -> None:
        """A stage begins, with so many units to make; what their forecasts are, where they have any."""
        planned = self._ahead.pop(stage, {})
        self._stage, self._left = stage, dict(costs or planned)
        self._counted, self._ended = float(count), 0.0
        self._known = self._spent = 0.0
        self._prior = min(PRIOR_S, 0.1 * sum(self._left.values()))
        self._began = self._news = now

    def ended(self, label: str, state: str, seconds: float, now: float) -> None:
        """A unit ended after so many seconds; one that failed or was found says nothing of the forecasts."""
        cost = self._left.pop(label, 0.0)
        if state == "computed":
            self._known, self._spent = self._known + cost, self._spent + seconds
            self._run_known, self._run_spent = self._run_known + cost, self._run_spent + seconds
        self._ended += 1
        self._news = now

    def end(self) -> None:
        """The stage has ended."""
        self._stage, self._left = "", {}

    def stage_left(self, now: float) -> float | None:
        """Seconds until this stage ends; None where nothing is known yet."""
        if not self._stage:
            return 0.0
        rest = sorted(self._left.values(), reverse=True)
        if not sum(rest) and not self._known:
            open_units = max(self._counted - self._ended, 0.0)
            return (self._news - self._began) * open_units / self._ended if self._ended else None
        if self._ended:  # what the other workers have in hand is half done, on the whole
            rest = [cost / 2 if k < self.workers - 1 else cost for k, cost in enumerate(rest)]
        weight = self._known + self._prior
        truth = (self._spent + self._prior * self._truth()) / weight if weight else self._truth()
        return max(truth * makespan(rest, self.workers) - (now - self._news), 0.0)

    def run_left(self, now: float) -> float | None:
        """Seconds until the whole run ends; None where nothing is known yet."""
        stage = self.stage_left(now)
        later = sum(makespan(units.values(), self.workers) for units in self._ahead.values())
        return None if stage is None else stage + self._truth() * later

    def _truth(self) -> float:
        """Seconds that units of this run took, over those that were forecast."""
        return (self._run_spent + PRIOR_S) / (self._run_known + PRIOR_S)


def forecast(planned: Plan, states: Iterable[State], stages: Sequence[str], workers: int, servers: bool) -> Forecast:
    """The forecast of a run that makes these stages, start, compilation and tracking included.

    Args:
        planned: all units.
        states: theirs.
        stages: names of the stages that the run makes.
        workers: processes at once; 0 for none but this one.
        servers: whether it starts a Prefect server.
    """
    costs: dict[str, dict[str, float]] = {}
    for state in states:
        if state.state != "ready" and state.unit.stage in stages:
            costs.setdefault(state.unit.stage, {})[state.unit.label] = state.unit.cost().seconds
    cells = len(costs.get(planned.study.cells.stage, {}))
    start = START_S * bool(servers or (workers and costs)) + COMPILE_S * bool(cells and not compiled())
    if planned.study.stages[-1] in stages:
        costs[TRACKING] = {planned.config.name: TRACKING_S + TRACKING_CELL_S * cells}
    return Forecast(costs, workers, start)


def compiled() -> bool:
    """Whether the kernels were compiled on this machine before: Numba keeps their machine code in a folder."""
    beside = Path(ib_core.__path__[0]) / "mixture" / "kernels" / "__pycache__"
    elsewhere = Path(os.environ.get("NUMBA_CACHE_DIR") or Path.home() / ".cache" / "numba")
    return any(beside.glob("*.nbi")) or any(elsewhere.rglob("numba_loops.*.nbi"))
