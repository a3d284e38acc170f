"""What robust training changes: how far the information of each layer moves under shift, beside training as usual."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tasks.page import figure_style as style
from tasks.page.figure_style import INK
from tasks.page.tables import number
from tasks.reproduction.reading import Span, mean
from tasks.reproduction.reproduction import Claim, Plate
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.schema import ESTIMATE
from tasks.sweep.sizes import at_size, title

USUAL = "erm"  # the network that the others are held against
ROW = 0.34  # inches
MANY = (
    "Intervals are of 95 % each. A verdict is of a wider one, at 5 % divided by the number of such claims on the page "
    "(Bonferroni), so that with 95 % none of the verdicts is chance; the circles of the figure know no correction."
)
LEVEL = 0.05
SOURCE = (
    "no published value: the objectives limit the loss over a ball, and no theorem limits the change of I(X;T) there"
)


def moves(found: Arranged) -> pd.DataFrame:
    """|I(X';T_l) - I(X;T_l)| at the last epoch, one row for each network, seed, layer and shift, enclosed by `low` and
    `high`."""
    change = found.final(found.deviation[found.deviation["size"] > 0])
    low = np.maximum(np.maximum(change["lower"], -change["upper"]), 0.0)
    high = np.maximum(-change["lower"], change["upper"])
    return change.assign(moved=change["middle"].abs(), low=low, high=high)


def saved(table: pd.DataFrame, network: str, confidence: float = 1 - LEVEL) -> Span:
    """By how much less a network's layers move than those trained as usual, nats, in the mean over the rows.

    Seeds are paired, as a seed has the same initial weights and batches in both; the interval over seeds is widened by
    the brackets.
    """
    keys = [key for key in ESTIMATE if key not in ("network", "epoch") and key in table]
    usual, robust = (table.loc[table["network"] == name, [*keys, "low", "high"]] for name in (USUAL, network))
    pairs = usual.merge(robust, on=keys, suffixes=("", "_robust"))  # of what both have, where cells failed
    less = pairs.assign(least=pairs["low"] - pairs["high_robust"], most=pairs["high"] - pairs["low_robust"])
    least, most = (less.groupby("seed")[name].mean() for name in ("least", "most"))
    return Span(mean(least, confidence).low, mean(most, confidence).high)


def claims(found: Arranged, guarded: Mapping[str, str]) -> Iterable[Claim]:
    """For each network whether its layers move less than those of the usual one: under the family of shifts that it was
    trained for, and under all.

    Args:
        guarded: that family by network.
    """
    table = moves(found)
    corrected = 1 - LEVEL / (2 * len(guarded))
    for network, family in guarded.items():
        for shown, rows in ((title(family), table[table["shift"] == family]), ("all shifts", table)):
            difference = saved(rows, network)
            usual, robust = (number(rows.loc[rows["network"] == name, "moved"].mean()) for name in (USUAL, network))
            right = _accuracy(found, rows, network)
            yield Claim(
                f"{network}: under {shown}, I(X;T) of the layers changes less than after plain training.",
                SOURCE,
                "less",
                f"mean |ΔI| {robust} nats against {usual}, smaller by {difference}; {right}",
                saved(rows, network, corrected).above(0.0),
            )
    bounds = found.tables.bounds
    labels = bounds[(bounds["concerns"] == "label") & (bounds["size"] > 0)]
    yield Claim(
        "I(T;Y) of the last layer is at least what the losses on clean inputs certify over the ball.",
        "theorem, see the sweep's report: min H(Y) - max E loss",
        "0 violated",
        f"{int(labels['holds'].eq(False).sum())} of {len(labels)} violated, {int(labels['vacuous'].sum())} vacuous",
        None if labels["vacuous"].all() else not labels["holds"].eq(False).any(),
    )


def _accuracy(found: Arranged, rows: pd.DataFrame, network: str) -> str:
    """Accuracies under the shifts of the rows, of a network and of the usual one: percent, 95 % intervals."""
    table = found.final(found.accuracy)
    table = table.merge(rows[["shift", "size"]].drop_duplicates(), on=["shift", "size"])
    spans = [mean(table[table["network"] == name].groupby("seed")["value"].mean()) for name in (network, USUAL)]
    values = [table.loc[table["network"] == name, "value"].mean() for name in (network, USUAL)]
    words = [f"{number(value, 1)} %" + ("" if span.width == np.inf else f" ± {number(span.width / 2, 1)}")
             for value, span in zip(values, spans, strict=True)]  # fmt: skip
    return f"accuracy {words[0]} against {words[1]}"


def plates(found: Arranged, networks: Iterable[str]) -> Iterable[Plate]:
    """The figure of all networks: the usual one, and these below it."""
    if moves(found).empty:
        return
    yield Plate(
        "moves",
        "How far the information changes under shift, by training",
        "|I(X'; T) - I(X; T)| in nats at the last epoch, the mean over seeds: a row for each training, a column for "
        "each layer, a panel for the largest shift of each family; at the right the accuracy under it, in percent. "
        "Colour: the difference from plain training (erm). A circle: the interval of that difference, over seeds and "
        "with the brackets, contains 0.",
        _table_of_moves(found, [USUAL, *networks]),
    )


def _table_of_moves(found: Arranged, names: list[str]) -> Figure:
    table = moves(found)
    largest = table.groupby("shift")["size"].max()
    families = [family for family in found.families if family in largest.index]
    layers, columns = found.layers, 2
    rows = -(-len(families) // columns)
    figure, panels = style.sheet(rows, columns, ROW * len(names), (0.2, 0.75), bar=True, top=0.4, sharey=True)
    held = [table[(table["shift"] == family) & (table["size"] == largest[family])] for family in families]
    values = [
        each.pivot_table(index="network", columns="layer", values="moved").reindex(names, columns=layers)
        for each in held
    ]
    change = [each - each.loc[USUAL] for each in values]
    reach = max([1e-9, *(float(np.nanmax(np.abs(each.to_numpy(dtype=float)), initial=0.0)) for each in change)])
    scale = ScalarMappable(Normalize(-reach, reach), "PuOr_r")
    accuracy = found.final(found.accuracy)
    for axes, family, each, moved, against in zip(panels.flat, families, held, values, change, strict=False):
        style.cells(axes, against.to_numpy(dtype=float), scale)
        right = accuracy[(accuracy["shift"] == family) & (accuracy["size"] == largest[family])]
        for row, name in enumerate(names):
            for column, layer in enumerate(layers):
                clear = name == USUAL or saved(each[each["layer"] == layer], name).holds(0.0) is False
                text = number(moved.iloc[row, column]) + ("" if clear else " ○")
                missing = np.isnan(against.iloc[row, column])
                ink = INK if missing else style.on(scale.to_rgba(against.iloc[row, column]))
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
            percent = number(right.loc[right["network"] == name, "value"].mean(), 1)
            axes.text(len(layers), row, percent, ha="center", va="center", fontsize=8)
        axes.set_xlim(-0.5, len(layers) + 0.5)
        axes.set_xticks(range(len(layers) + 1), [*(f"L{layer}" for layer in layers), "acc., %"])
        axes.set_yticks(range(len(names)), names)
        axes.set_title(at_size(family, largest[family], found.families[family]))
    for axes in panels.flat[len(families) :]:
        axes.set_axis_off()
    style.colour_bar(figure, panels, scale, "nats more than erm")
    return figure
