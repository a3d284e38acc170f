"""The tables of a sweep, arranged as its figures and its report look at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ib_core.estimate import Estimate, centred, interval
from tasks.page.tables import violated
from tasks.sweep.schema import BALL, CELL, CHECKPOINT, ESTIMATE, OVER_SEEDS, PLACE
from tasks.sweep.sizes import title
from tasks.sweep.tables import SweepTables

ROUNDING = 1e-9  # nats: what is less is an error of floating-point numbers
WIDEST = 4  # families side by side in one figure
MOST_ROWS = 4  # networks and parts of the data in one figure, one below the other


@dataclass(frozen=True)
class Case:
    """A network at one noise level on one part of the data: one row of panels, one group of tables."""

    network: str
    beta: float
    split: str
    label: str
    slug: str
    network_label: str

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of `frame` that belong to this case."""
        here = (frame["network"] == self.network) & (frame["beta"] == self.beta)
        return frame[here & (frame["split"] == self.split) if "split" in frame else here]


@dataclass(frozen=True)
class Sheet:
    """Cases that share a figure: all of them, or as many as fit, the parts of the data of one network together."""

    cases: list[Case]
    label: str
    slug: str


@dataclass(frozen=True)
class Group:
    """Families that share a figure: all of them, or as many as fit side by side."""

    families: dict[str, str]
    label: str
    slug: str


def grouped(families: dict[str, str]) -> list[Group]:
    """Families, with their metrics, as they fit side by side: as few figures as can be, of about as many families each,
    those of one metric next to each other."""
    if len(families) <= WIDEST:
        return [Group(families, "", "")]
    order = list(dict.fromkeys(families.values()))
    names = sorted(families, key=lambda family: order.index(families[family]))
    parts = np.array_split(np.array(names, dtype=object), -(-len(names) // WIDEST))
    return [
        Group({name: families[name] for name in part}, ", ".join(map(title, part)), f"_{k}")
        for k, part in enumerate(parts, start=1)
    ]


def rows_together(cases: int, parts: int) -> int:
    """How many cases fit below each other in one figure, the parts of the data of one network together."""
    return cases if cases <= MOST_ROWS else max(1, MOST_ROWS // parts) * parts


@dataclass(frozen=True)
class Arranged:
    """The tables of a sweep, arranged as figures and page look at them; failed cells are absent from the numbers."""

    tables: SweepTables

    @cached_property
    def cases(self) -> list[Case]:
        keys = ["network", "beta", "split"]
        places = self.tables.information[keys].drop_duplicates()
        rank = {part: k for k, part in enumerate(self.parts)}
        places = places.sort_values(keys, key=lambda column: column.map(rank) if column.name == "split" else column)
        network_named, part_named = (places[name].nunique() > 1 for name in ("network", "split"))
        return [
            Case(
                network,
                beta,
                split,
                (name := f"{f'{network}, ' if network_named else ''}β = {beta:g}")
                + (f", {split}" if part_named else ""),
                f"{k}_beta_{beta:g}{f'_{split}' if part_named else ''}",
                name,
            )
            for k, (network, beta, split) in enumerate(places.itertuples(index=False), start=1)
        ]

    @cached_property
    def sheets(self) -> list[Sheet]:
        """The cases as they fit below each other."""
        step = rows_together(len(self.cases), len(self.parts))
        if len(self.cases) <= step:
            return [Sheet(self.cases, "", "")]
        chunks = [self.cases[start : start + step] for start in range(0, len(self.cases), step)]
        names = [", ".join(dict.fromkeys(case.network_label for case in chunk)) for chunk in chunks]
        return [Sheet(*each, f"_{k}") for k, each in enumerate(zip(chunks, names, strict=True), start=1)]

    @cached_property
    def parts(self) -> list[str]:
        """The parts of the data that were measured, in the order of the settings."""
        return [str(part) for part in self.tables.laws["split"].unique()]

    @cached_property
    def last(self) -> pd.Series:
        """The last epoch of each network."""
        return self.tables.information.groupby("network")["epoch"].max()

    def followed(self, cases: Iterable[Case]) -> bool:
        """Whether any network of these was measured at several epochs."""
        return any(case.of(self.information)["epoch"].nunique() > 1 for case in cases)

    @cached_property
    def epoch(self) -> str:
        """The last epoch, in words where networks differ in it."""
        return " or ".join(str(epoch) for epoch in np.unique(self.last))

    @cached_property
    def layers(self) -> list[int]:
        layers = self.tables.information["layer"].unique()
        return [int(layer) for layer in np.sort(layers) if layer > 0]

    def layers_of(self, case: Case) -> list[int]:
        """The layers of a case, those without numbers too."""
        layers = case.of(self.tables.information)["layer"].unique()
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
        return grouped(self.families)

    @cached_property
    def reference(self) -> dict[str, Any]:
        """The law of the clean inputs, of the first part where there are two: entropy, number of atoms."""
        return self.reference_of(self.cases[0])

    def reference_of(self, case: Case) -> dict[str, Any]:
        """The law of the clean inputs of a case."""
        laws = case.split == self.tables.laws["split"]
        return {
            str(k): v for k, v in self.tables.laws[laws & (self.tables.laws["shift"] == "reference")].iloc[0].items()
        }

    def laws_of(self, family: str, case: Case | None = None) -> pd.DataFrame:
        """The laws of a family, of the first part without a case."""
        laws = self.tables.laws
        here = (laws["shift"] == family) & (laws["split"] == (case or self.cases[0]).split)
        return laws[here].sort_values("size")

    def brackets(self, quantity: str) -> pd.DataFrame:
        """One row for each estimate: the ends `low` and `high`, the bracket from `lower` to `upper`, its `middle`, of
        which `WIDTH` times `stderr` is half the width, and saturation."""
        table = self.tables.information
        table = table[(table["quantity"] == quantity) & (table["status"] == "ok")]
        upper, lower = (table[table["estimator"] == name].set_index(ESTIMATE) for name in ("upper", "lower"))
        middle, stderr = centred(upper["lower"], upper["upper"])
        columns = upper[["lower", "upper", "saturation"]].assign(
            low=lower["value"], high=upper["value"], form=lower["form"], middle=middle, stderr=stderr
        )
        return columns.reset_index().sort_values(ESTIMATE, ignore_index=True)

    @cached_property
    def information(self) -> pd.DataFrame:
        return self.brackets("I_X_T")

    @cached_property
    def projected(self) -> pd.DataFrame:
        """Of I(X; U T), for the layers that were projected."""
        return self.brackets("I_X_UT")

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Probability of a correct read-out under each law, in percent: `value`, `lower`, `upper`."""
        table = self.tables.information
        table = table[(table["quantity"] == "accuracy") & (table["status"] == "ok")]
        columns = ["value", "lower", "upper"]
        return table.drop(columns="layer").assign(**{name: 100 * table[name] for name in columns})

    def accuracy_at(self, case: Case, shift: str, size: float = 0.0) -> pd.Series:
        """The accuracies of the seeds of a case under one law, at the final epoch."""
        table = self.final(case.of(self.accuracy))
        found = table.loc[(table["shift"] == shift) & (table["size"] == size), "value"]
        return found if len(found) or size else table.loc[table["shift"] == "reference", "value"]

    @cached_property
    def label_information(self) -> pd.DataFrame:
        return self.brackets("I_T_Y")

    @cached_property
    def deviation(self) -> pd.DataFrame:
        """The changes; a bracket that rounding alone keeps from 0 has an end there, where no draw adds an error."""
        table = self.brackets("dI_X_T")
        ends = ["lower", "upper", "middle"]
        return table.assign(**{end: table[end].mask(table[end].abs() < ROUNDING, 0.0) for end in ends})

    @cached_property
    def smallest(self) -> pd.DataFrame:
        """The smallest bound on the deviation for each estimate: bound, theorem, cap, vacuous."""
        bounds = self.tables.bounds
        bounds = bounds[bounds["concerns"] == "deviation"]
        columns = [*ESTIMATE, "theorem", "bound", "measured", "cap", "vacuous"]
        return bounds.sort_values([*ESTIMATE, "bound", "theorem"])[columns].drop_duplicates(ESTIMATE)

    @cached_property
    def audit(self) -> pd.DataFrame:
        """Each deviation at the final epoch and sizes above 0 with its smallest valid bound: theorem, bound, cap,
        vacuous, how many theorems there are and say nothing, `held`, the change in the channel that the bound speaks
        of, and tightness = held / bound; NaN where none is valid, and where it is `unresolved`: the bracket reaches so
        far that its middle lies beyond the bound; and where the bound is 0.
        """
        bounds = self.tables.bounds
        bounds = self.final(bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)])
        counts = bounds.groupby([*ESTIMATE, "metric"], as_index=False, dropna=False).agg(
            theorems=("theorem", "size"),
            saying_nothing=("vacuous", "sum"),
            broken=("holds", lambda judged: len(violated(judged.to_frame()))),
        )
        valid = bounds[bounds["holds"].eq(True)].sort_values([*ESTIMATE, "bound", "theorem"]).drop_duplicates(ESTIMATE)
        valid = valid.rename(columns={"measured": "held"})[[*ESTIMATE, "theorem", "bound", "held", "cap", "vacuous"]]
        table = counts.merge(valid, on=ESTIMATE, how="left")
        table["vacuous"] = table["vacuous"].fillna(True).astype(bool)
        change = self.deviation[[*ESTIMATE, "middle", "stderr", "lower", "upper"]]
        change = change.assign(measured=change["middle"].abs(), clear=(change["lower"] > 0) | (change["upper"] < 0))
        change = change.rename(columns={"stderr": "measured_stderr"})
        table = table.merge(change[[*ESTIMATE, "measured", "measured_stderr", "clear"]], on=ESTIMATE)
        unresolved = table["held"] > table["bound"] + ROUNDING
        share = table["held"] / table["bound"].where(table["bound"] > 0)
        return table.assign(unresolved=unresolved, tightness=share.where(~unresolved))

    @cached_property
    def violated(self) -> pd.DataFrame:
        """Every violated bound of every epoch, on a deviation or on the worst law of a ball."""
        balls = violated(self.tables.worst_case)
        rise, fall = (_least(balls, side) for side in ("rise", "fall"))
        rises = rise > fall
        measured = balls["rise"].where(rises, balls["fall"])
        balls = balls.assign(
            shift="worst_case",
            measured=measured,
            measured_stderr=balls["rise_stderr"].where(rises, balls["fall_stderr"]),
            slack=balls["bound"] - measured,
        )
        columns = [*PLACE, "theorem", "measured", "measured_stderr", "bound", "slack"]
        return pd.concat([violated(self.tables.bounds)[columns], balls[columns]], ignore_index=True)

    @cached_property
    def beside_worst(self) -> pd.DataFrame:
        """The rows of `audit` whose size is the radius of a ball that was searched, with its extremes beside them.

        `share` is the measured change over the largest rise (or fall) found in the ball, where the bracket of that one
        excludes 0; `ball_bound` the smallest bound that knows of the ball only.
        """
        place = [*CELL, *BALL]
        names = {"bound": "ball_bound", "vacuous": "ball_vacuous"}
        balls = self.tables.worst_case
        clear = [_least(balls, side) > 0 for side in ("rise", "fall")]
        columns = [*place, "rise", "fall", "gap", *names]
        found = balls[columns].rename(columns=names).assign(rise_clear=clear[0], fall_clear=clear[1])
        found["found_clear"] = clear[0] | clear[1]
        table = self.audit.merge(self.deviation[[*ESTIMATE, "middle"]], on=ESTIMATE).merge(found, on=place)
        rising = table["middle"] > 0
        extreme = table["rise"].where(rising, table["fall"])
        known = table["rise_clear"].where(rising, table["fall_clear"]).astype(bool)
        return table.assign(share=table["measured"] / extreme.where(known))

    @cached_property
    def relative(self) -> pd.DataFrame:
        """Relative change of I(X;T_l) at the final epoch, sizes above 0, mean over seeds; `clear`: without 0."""
        change = self.final(self.deviation[self.deviation["size"] > 0])
        clean = self.final(self.information[self.information["shift"] == "reference"])
        keys = [key for key in CELL if key != "epoch"]
        change = change.merge(clean[[*keys, "middle"]], on=keys, suffixes=("", "_clean"))
        share = 100 * change["middle"] / change["middle_clean"]  # NaN: of what is none at all
        change["percent"] = share.where(np.isfinite(share)).mask(change["middle"] == 0, 0.0)
        change["clear"] = (change["lower"] > 0) | (change["upper"] < 0)
        groups = change.groupby([key for key in OVER_SEEDS if key != "epoch"], as_index=False)
        return groups.agg(
            percent=("percent", "mean"), change=("middle", "mean"), least=("middle", "min"), most=("middle", "max"),
            stderr=("stderr", "max"), clear=("clear", "all"),
        )  # fmt: skip

    @cached_property
    def processing(self) -> pd.DataFrame:
        """For each layer after the first: the margin of its lower end under the upper ends of all layers before it that
        nothing passes by."""
        table = self.information.merge(self.tables.layers[[*CHECKPOINT, "layer", "cut"]], on=[*CHECKPOINT, "layer"])
        table = table.sort_values(ESTIMATE, ignore_index=True)
        law = [table[key] for key in ESTIMATE if key != "layer"]
        before = table["upper"].where(table["cut"]).groupby(law).cummin().groupby(law).ffill().groupby(law).shift()
        return table.assign(margin=before - table["lower"]).dropna(subset="margin")

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """The measures that are one number."""
        return self.tables.measures[self.tables.measures["at"].isna()]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """The measures that are curves, "at" saying where each is known."""
        return self.tables.measures[self.tables.measures["at"].notna()]

    @cached_property
    def wide(self) -> pd.DataFrame:
        """The layers of `information` whose lower end is that of a projection, and whose upper end is H(X)."""
        return self.information[self.information["form"].str.contains("direction")]

    def final(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["epoch"] == frame["network"].map(self.last)]


def _least(balls: pd.DataFrame, side: str) -> pd.Series:
    """The lower end of a rise or fall over balls."""
    return interval(Estimate(balls[side], balls[f"{side}_stderr"]))[0]


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds of every numeric column."""
    return frame.groupby(OVER_SEEDS, as_index=False).mean(numeric_only=True)
