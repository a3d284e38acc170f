"""The finding of each figure of a sweep in one sentence, for those who do not see it, and the rows that it draws."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ib_core.bounds.theorems import named
from tasks.page.page import Rows
from tasks.page.tables import number, series
from tasks.sweep.report.arranged import Arranged, Case, Group
from tasks.sweep.sizes import at_size

BRACKETS = "estimator = upper or lower"
DEVIATION = "concerns = deviation"


def rows(arranged: Arranged, table: str, cases: Sequence[Case], *conditions: str, last: bool = False) -> Rows:
    """The rows of a table that a figure draws: those of its cases, with these conditions.

    Args:
        last: whether it draws the last epoch alone.
    """
    place = []
    for column in ("network", "beta", "split"):
        every, here = ({getattr(case, column) for case in some} for some in (arranged.cases, cases))
        if len(every) > 1:
            place.append(f"{column} = {_either(here)}")
    epoch = [f"epoch = {arranged.epoch}"] if last else []
    return Rows(f"{table}.csv", ", ".join([*conditions, *place, *epoch]))


def _either(values: Iterable[object]) -> str:
    found = sorted(values, key=str)
    return " or ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in found)


def shifts(families: Iterable[str]) -> str:
    """A condition on the rows: these families, beside the reference."""
    return f"shift = {' or '.join(families)}"


def _case(arranged: Arranged, network: str, beta: float, split: str) -> str:
    """Which case it is, where there are several cases."""
    if len(arranged.cases) == 1:
        return ""
    return next(
        f" ({case.label})" for case in arranged.cases if (case.network, case.beta, case.split) == (network, beta, split)
    )


def response(arranged: Arranged, cases: Sequence[Case], group: Group) -> str:
    """The largest loss and the largest gain among the changes that are clear in every seed."""
    table = pd.concat([case.of(arranged.relative) for case in cases])
    table = table[table["clear"] & table["shift"].isin(list(group.families))]
    if table.empty:
        return "No change is clear in every seed: their brackets contain 0."
    said = []
    for word, rows in (("loss", table[table["percent"] < 0]), ("gain", table[table["percent"] > 0])):
        if len(rows):
            most = rows.loc[rows["percent"].abs().idxmax()]
            law = at_size(most["shift"], most["size"], group.families[most["shift"]])
            case = _case(arranged, most["network"], most["beta"], most["split"])
            said.append(
                f"the largest {word} is {abs(most['percent']):.1f} % of I(X; T) ({number(abs(most['change']))} nats), "
                f"in layer {most['layer']} under {law}{case}"
            )
    return _sentence("; ".join(said))


def over_epochs(arranged: Arranged, cases: Sequence[Case], quantity: str = "I(X; T)") -> str:
    """Where the information of the first and of the deepest layer goes from the first to the last epoch."""
    table = arranged.information if quantity == "I(X; T)" else arranged.label_information
    table = table[table["shift"] == "reference"]
    said = []
    for case in cases:
        here = case.of(table)
        ends = [layer for layer in dict.fromkeys((here["layer"].min(), here["layer"].max())) if len(here)]
        parts = [f"{_path(here[here['layer'] == layer])} in layer {layer}" for layer in ends]
        if parts:
            first, last = here["epoch"].min(), here["epoch"].max()
            when = f"between epochs {first} and {last} {quantity} goes" if first < last else f"{quantity} is"
            said.append(f"{case.label}: {when} {' and '.join(parts)}")
    return _sentence("; ".join(said))


def _path(rows: pd.DataFrame, column: str = "middle") -> str:
    """ "from 0.65 to 1.15 nats", means over seeds."""
    means = rows.groupby("epoch")[column].mean()
    first, last = number(means.iloc[0], 2), number(means.iloc[-1], 2)
    return f"from {first} to {last} nats" if len(means) > 1 else f"{last} nats"


def plane(arranged: Arranged, cases: Sequence[Case]) -> str:
    """Both coordinates of the deepest layer at the first and the last epoch."""
    said = []
    for case in cases:
        deepest = arranged.layers_of(case)[-1]
        parts = []
        for name, table in (("I(X; T)", arranged.information), ("I(T; Y)", arranged.label_information)):
            here = case.of(table)
            here = here[(here["shift"] == "reference") & (here["layer"] == deepest)]
            if len(here):
                parts.append(
                    f"{name} goes {_path(here)}" if here["epoch"].nunique() > 1 else f"{name} is {_path(here)}"
                )
        if parts:
            said.append(f"{case.label}: in layer {deepest} {' while '.join(parts)}")
    return _sentence("; ".join(said))


def nearest_classes(arranged: Arranged, cases: Sequence[Case]) -> str:
    """How far apart the two classes with the closest means are at the first and at the last epoch."""
    said = []
    for case in cases:
        cloud = case.of(arranged.tables.signals)
        if cloud["label"].nunique() < 2:
            continue
        cloud = cloud[cloud["seed"] == cloud["seed"].min()]
        parts = []
        for epoch, here in cloud.groupby("epoch"):
            means = np.stack([np.stack(list(each)).mean(axis=0) for _, each in here.groupby("label")["s"]])
            apart = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(len(means), 1)]
            parts.append((int(epoch), float(apart.min()) if len(apart) else np.nan))
        ends = dict.fromkeys((parts[0], parts[-1]))
        words = " and ".join(f"{number(distance, 2)} apart at epoch {epoch}" for epoch, distance in ends)
        said.append(f"{case.label}: the means of the closest two classes are {words}")
    return _sentence("; ".join(said))


def measured(table: pd.DataFrame, quantities: dict[str, str], noun: str = "") -> str:
    """How these quantities of the deepest layer go from the first to the last epoch, means over seeds."""
    if table.empty:
        return ""
    deepest = table[table["layer"] == table["layer"].max()]
    parts = []
    for quantity, name in quantities.items():
        means = deepest[deepest["quantity"] == quantity].groupby("epoch")["value"].mean()
        if len(means) > 1:
            parts.append(f"{name} goes from {number(means.iloc[0], 2)} to {number(means.iloc[-1], 2)}")
        elif len(means):
            parts.append(f"{name} is {number(means.iloc[0], 2)}")
    epochs = series([table["epoch"].min(), table["epoch"].max()]).replace(", ", " to ")
    return _sentence(f"in layer {table['layer'].max()}, epoch {epochs}: {', '.join(parts)}") if parts else ""


def mean_cosines(table: pd.DataFrame) -> str:
    """Mean cosines within and between classes in the deepest layer at the first and last epoch."""
    curves = table[table["quantity"].isin(("cosines_within", "cosines_between"))]
    keys = ["layer", "epoch", "quantity", "seed"]
    weighed = curves.assign(value=curves["at"] * curves["value"]).groupby(keys)["value"].sum()
    totals = curves.groupby(keys)["value"].sum()
    means = (weighed / totals).rename("value").reset_index()
    names = {"cosines_within": "the mean cosine within a class", "cosines_between": "that between classes"}
    return measured(means, names)


def widths(cases: Sequence[Case], curves: pd.DataFrame) -> str:
    """How far the entropy of the bins falls as they widen, in the deepest layer."""
    said = []
    for case in cases:
        here = case.of(curves)
        here = here[(here["layer"] == here["layer"].max()) & (here["quantity"] == here["quantity"].max())]
        means = here.groupby("at")["value"].mean()
        if len(means):
            said.append(
                f"{case.label}: from the narrowest to the widest bins the entropy of layer {here['layer'].iloc[0]} "
                f"falls from {number(means.iloc[0], 2)} to {number(means.iloc[-1], 2)} nats"
            )
    return _sentence("; ".join(said))


def furthest_claim(arranged: Arranged, case: Case, found: pd.DataFrame) -> str:
    """The claim that is furthest from the bracket at the last epoch."""
    last = found[found["epoch"] == found["epoch"].max()].groupby(["layer", "claim"])["value"].mean().reset_index()
    brackets = case.of(arranged.information)
    brackets = brackets[(brackets["shift"] == "reference") & (brackets["epoch"] == found["epoch"].max())]
    table = last.merge(brackets.groupby("layer", as_index=False)[["lower", "upper"]].mean(), on="layer")
    table["off"] = np.maximum(table["lower"] - table["value"], table["value"] - table["upper"])
    if table.empty:
        return ""
    worst = table.loc[table["off"].idxmax()]
    return (
        f"Furthest off at epoch {found['epoch'].max()}: “{worst['claim']}” claims {number(worst['value'], 2)} nats in "
        f"layer {worst['layer']}, where the bracket is {number(worst['lower'], 2)} to {number(worst['upper'], 2)} nats."
    )


def brackets(arranged: Arranged, cases: Sequence[Case]) -> str:
    """The ends of the first and the deepest layer under the reference law, and the widest bracket."""
    final = arranged.final(arranged.information)
    final = final[final["shift"] == "reference"]
    said = []
    for case in cases:
        here = case.of(final)
        if here.empty:
            continue
        ends = here[here["layer"].isin((here["layer"].min(), here["layer"].max()))].groupby("layer")
        parts = [
            f"{number(each['low'].mean(), 2)} to {number(each['high'].mean(), 2)} nats in layer {layer}"
            for layer, each in ends
        ]
        widest = here.loc[(here["high"] - here["low"]).idxmax()]
        said.append(
            f"{case.label}: {' and '.join(parts)}; the ends are furthest apart in layer {widest['layer']}, by "
            f"{number(widest['high'] - widest['low'])} nats"
        )
    return _sentence("; ".join(said))


def tightest(arranged: Arranged, case: Case) -> str:
    """Where the measured change comes nearest its smallest bound, and how many bounds are vacuous."""
    table = case.of(arranged.audit)
    known = table[~table["vacuous"] & table["clear"]].dropna(subset="tightness")
    vacuous = f"of {len(table)} changes {int(table['vacuous'].sum())} have vacuous bounds only"
    if known.empty:
        return _sentence(f"no clear change has a bound that is not vacuous; {vacuous}")
    best = known.loc[known["tightness"].idxmax()]
    law = at_size(best["shift"], best["size"], arranged.families[best["shift"]])
    return (
        f"Tightest in layer {best['layer']} under {law}: {100 * best['tightness']:.0f} % of the bound "
        f"{named(best['theorem']).label}; the median is {100 * known['tightness'].median():.0f} %; {vacuous}."
    )


def worst(arranged: Arranged, case: Case) -> str:
    """The largest change found in a ball, with what is certain for all of its laws."""
    table = case.of(arranged.final(arranged.tables.worst_case)).reset_index(drop=True)
    change = table[["rise", "fall"]].max(axis=1)
    most = table.loc[change.idxmax()]
    side, limit = (
        ("fall", most["reference"] - most["lower"])
        if most["fall"] >= most["rise"]
        else ("rise", most["upper"] - most["reference"])
    )
    law = at_size("", most["size"], most["metric"]).strip()
    return (
        f"The largest change found is a {side} of {number(change.max())} nats in layer {most['layer']} {law}; no law "
        f"that near goes beyond {number(limit)} nats."
    )


def attributed(arranged: Arranged, case: Case) -> str:
    """By how much the first-order prediction is off at most, and in the median."""
    table = case.of(arranged.final(arranged.tables.attribution))
    table = table[table["size"] > 0].reset_index(drop=True)
    off = (table["predicted"] - table["change"]).abs()
    most = table.loc[off.idxmax()]
    law = at_size(most["shift"], most["size"], arranged.families[most["shift"]])
    return (
        f"The prediction from clean data is off by {number(off.median())} nats in the median, and at most by "
        f"{number(off.max())}, in layer {most['layer']} under {law}."
    )


def pictured(arranged: Arranged, family: str, split: str) -> str:
    """What the largest shift of a family does to the accuracy, over all networks."""
    cases = [case for case in arranged.cases if case.split == split]
    largest = float(arranged.laws_of(family, cases[0])["size"].max())
    values = [[arranged.accuracy_at(case, family, size).mean() for case in cases] for size in (0.0, largest)]
    words = [f"{number(np.mean(each), 1)} %" for each in values]
    law = at_size(family, largest, arranged.families[family])
    return f"The accuracy, {words[0]} without a shift, is {words[1]} under {law}, in the mean over networks."


def _sentence(text: str) -> str:
    start = text[:1].upper() if text[:1].isascii() else text[:1]  # β stays small
    return f"{start}{text[1:]}." if text else ""
