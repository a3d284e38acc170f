"""The tables of a sweep, arranged as its figures and its report look at them."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tasks.tables import SweepTables

UNIT = ["network", "beta", "seed", "epoch", "layer", "shift", "size"]
MEAN = [key for key in UNIT if key != "seed"]

WIDEST = 4  # families side by side in one figure
METRICS = {"tv": "TV", "kl": "KL", "w2": "W₂"}


@dataclass(frozen=True)
class Case:
    """A network at one noise level: one row of panels, one group of tables."""

    network: str
    beta: float
    label: str
    slug: str

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of `frame` that belong to this case."""
        return frame[(frame["network"] == self.network) & (frame["beta"] == self.beta)]


@dataclass(frozen=True)
class Group:
    """Families that share a figure: all of them, or those whose sizes are set in one metric."""

    families: dict[str, str]
    label: str
    slug: str


@dataclass(frozen=True)
class View:
    """The tables of a sweep, arranged as figures and page look at them; failed cells are absent from the numbers."""

    tables: SweepTables

    @cached_property
    def cases(self) -> list[Case]:
        pairs = self.tables.information[["network", "beta"]].drop_duplicates().sort_values(["network", "beta"])
        prefix = "{}, " if pairs["network"].nunique() > 1 else ""
        return [
            Case(network, beta, f"{prefix.format(network)}β = {beta:g}", f"{k}_beta_{beta:g}")
            for k, (network, beta) in enumerate(pairs.itertuples(index=False), start=1)
        ]

    @cached_property
    def epoch(self) -> int:
        return int(self.tables.information["epoch"].max())

    @cached_property
    def layers(self) -> list[int]:
        layers = self.tables.information["layer"].unique()
        return [int(layer) for layer in np.sort(layers) if layer > 0]

    @cached_property
    def seeds(self) -> list[int]:
        return [int(seed) for seed in np.sort(self.tables.information["seed"].unique())]

    @cached_property
    def families(self) -> dict[str, str]:
        """Each shift family with the metric of its size."""
        shifted = self.tables.laws[self.tables.laws["shift"] != "reference"]
        return dict(zip(shifted["shift"], shifted["metric"], strict=True))

    @cached_property
    def groups(self) -> list[Group]:
        """The families as they fit side by side: together while they are few, else metric by metric."""
        if len(self.families) <= WIDEST:
            return [Group(self.families, "", "")]
        groups = []
        for metric in dict.fromkeys(self.families.values()):
            names = [name for name, other in self.families.items() if other == metric]
            parts = [names[start : start + WIDEST] for start in range(0, len(names), WIDEST)]
            for k, part in enumerate(parts, start=1):
                count = f" {k}" if len(parts) > 1 else ""
                label = f"sizes in {METRICS.get(metric, metric)}{count}"
                groups.append(Group(dict.fromkeys(part, metric), label, f"_{metric}{count.strip()}"))
        return groups

    @cached_property
    def reference(self) -> dict[str, Any]:
        """The law of the clean inputs: entropy, number of atoms, share of label 1."""
        laws = self.tables.laws
        return {str(key): value for key, value in laws[laws["shift"] == "reference"].iloc[0].items()}

    def laws_of(self, family: str) -> pd.DataFrame:
        laws = self.tables.laws
        return laws[laws["shift"] == family].sort_values("size")

    def brackets(self, quantity: str) -> pd.DataFrame:
        """One row for each unit and law: plug_in, held_out, stderr, lower, upper, saturation."""
        table = self.tables.information
        table = table[(table["quantity"] == quantity) & (table["status"] == "ok")]
        upper, lower = (table[table["estimator"] == name].set_index(UNIT) for name in ("plug_in", "held_out"))
        columns = upper[["stderr", "upper", "saturation"]].assign(
            plug_in=upper["value"], held_out=lower["value"], lower=lower["lower"]
        )
        return columns.reset_index().sort_values(UNIT, ignore_index=True)

    @cached_property
    def information(self) -> pd.DataFrame:
        return self.brackets("I_X_T")

    @cached_property
    def label_information(self) -> pd.DataFrame:
        return self.brackets("I_T_Y")

    @cached_property
    def deviation(self) -> pd.DataFrame:
        return self.brackets("dI_X_T")

    @cached_property
    def smallest(self) -> pd.DataFrame:
        """The smallest bound on the deviation for each unit and law: bound, theorem, cap, vacuous."""
        bounds = self.tables.bounds
        bounds = bounds[bounds["concerns"] == "deviation"]
        columns = [*UNIT, "theorem", "bound", "measured", "cap", "vacuous"]
        return bounds.sort_values([*UNIT, "bound", "theorem"])[columns].drop_duplicates(UNIT)

    @cached_property
    def audit(self) -> pd.DataFrame:
        """Each deviation at the final epoch and sizes above 0 with its smallest valid bound: theorem, bound, cap,
        vacuous, how many theorems there are and say nothing, and tightness = measured / bound; NaN where none is valid.
        """
        bounds = self.tables.bounds
        bounds = self.final(bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)])
        facts = ["metric", "measured", "measured_stderr"]
        counts = bounds.groupby([*UNIT, *facts], as_index=False, dropna=False).agg(
            theorems=("theorem", "size"),
            saying_nothing=("vacuous", "sum"),
            broken=("holds", lambda holds: holds.eq(False).sum()),
        )
        valid = bounds[bounds["holds"].eq(True)].sort_values([*UNIT, "bound", "theorem"]).drop_duplicates(UNIT)
        table = counts.merge(valid[[*UNIT, "theorem", "bound", "cap", "vacuous"]], on=UNIT, how="left")
        table["vacuous"] = table["vacuous"].fillna(True).astype(bool)
        table["clear"] = table["measured"] > 3 * table["measured_stderr"]
        return table.assign(tightness=table["measured"] / table["bound"])

    @cached_property
    def violated(self) -> pd.DataFrame:
        """Every violated bound of every epoch, on a deviation or on the worst law of a ball."""
        bounds, balls = self.tables.bounds, self.tables.worst_case
        balls = balls[balls["holds"].eq(False)]
        rises = balls["rise"] - 3 * balls["rise_stderr"] > balls["fall"] - 3 * balls["fall_stderr"]
        measured = balls["rise"].where(rises, balls["fall"])
        balls = balls.assign(
            shift="worst_case",
            measured=measured,
            measured_stderr=balls["rise_stderr"].where(rises, balls["fall_stderr"]),
            slack=balls["bound"] - measured,
        )
        columns = ["network", "beta", "seed", "epoch", "layer", "shift", "size", "metric", "theorem"]
        columns += ["measured", "measured_stderr", "bound", "slack"]
        return pd.concat([bounds.loc[bounds["holds"].eq(False), columns], balls[columns]], ignore_index=True)

    @cached_property
    def beside_worst(self) -> pd.DataFrame:
        """The rows of `audit` whose size is the radius of a ball that was searched, with its extremes beside them.

        `share` is the measured change over the largest rise (or fall) found in the ball, `ball_bound` the smallest
        bound that knows of the ball only.
        """
        place = ["network", "beta", "seed", "epoch", "layer", "metric", "size"]
        names = {"bound": "ball_bound", "vacuous": "ball_vacuous"}
        found = self.tables.worst_case[[*place, "rise", "fall", "gap", *names]].rename(columns=names)
        table = self.audit.merge(self.deviation[[*UNIT, "plug_in"]], on=UNIT).merge(found, on=place)
        extreme = table["rise"].where(table["plug_in"] > 0, table["fall"])
        return table.assign(share=table["measured"] / extreme.where(extreme > 0))

    @cached_property
    def relative(self) -> pd.DataFrame:
        """Relative change of I(X;T_l) at the final epoch and sizes above 0, mean over seeds; `clear`: beyond 3 s.e."""
        change = self.final(self.deviation[self.deviation["size"] > 0])
        clean = self.final(self.information[self.information["shift"] == "reference"])
        keys = ["network", "beta", "seed", "layer"]
        change = change.merge(clean[[*keys, "plug_in"]], on=keys, suffixes=("", "_clean"))
        change["percent"] = 100 * change["plug_in"] / change["plug_in_clean"]
        change["clear"] = change["plug_in"].abs() > 3 * change["stderr"]
        groups = change.groupby([key for key in MEAN if key != "epoch"], as_index=False)
        return groups.agg(
            percent=("percent", "mean"), change=("plug_in", "mean"), least=("plug_in", "min"), most=("plug_in", "max"),
            stderr=("stderr", "max"), clear=("clear", "all"),
        )  # fmt: skip

    @cached_property
    def processing(self) -> pd.DataFrame:
        """For each layer after the first: the margin of its lower end under the upper ends of all layers before it."""
        table = self.information
        law = [table[key] for key in UNIT if key != "layer"]
        before = table["upper"].groupby(law).cummin().groupby(law).shift()
        return table.assign(margin=before - table["lower"]).dropna(subset="margin")

    @property
    def label_entropy(self) -> float:
        """H(Y) under the reference law, in nats."""
        p = self.reference["p_label_1"]
        return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)

    def final(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["epoch"] == self.epoch]


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds of every numeric column."""
    return frame.groupby(MEAN, as_index=False).mean(numeric_only=True)


def title(family: str) -> str:
    """The family's name for people, without the module of one's own that it may come from."""
    return family.rpartition(".")[2].replace("_", " ")
