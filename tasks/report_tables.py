"""The tables of the report: numbers as people read them, in nats, with their doubt."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasks.sweep_view import METRICS, View, title

SATURATED = 0.95
PROJECTED = (
    " Rows UT are I(X; UT) of projections on few directions: their low end is below I(X; T) too, their high end bounds "
    "I(X; UT) alone, and how they change says nothing of how the layer changes."
)


@dataclass(frozen=True)
class Table:
    """A table of the page: a cell is text, or a pair of text and CSS class, or a triple with a small note."""

    head: list[str]
    rows: list[list[Any]]
    caption: str = ""


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: a dash where there is none, a true minus sign, never "nan" or "-0.000"."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) < 0.5 * 10**-digits:
        return f"{'<' if value > 0 else '>−'}{10**-digits:.{digits}f}"
    if abs(value) >= 100:  # four figures are enough
        digits = max(0, 4 - len(f"{abs(value):.0f}"))
    return f"{value:.{digits}f}".replace("-", "−")


def series(values: Any) -> str:
    """The distinct values in order: "0, 1, 4"."""
    found = sorted(set(pd.Series(values).dropna()))
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in found) or "–"


def span(values: pd.Series, digits: int = 3) -> str:
    """ "0.410 to 0.433", or the one value."""
    low, high = number(values.min(), digits), number(values.max(), digits)
    return low if low == high else f"{low} to {high}"


def at_size(family: str, size: float, metric: str) -> str:
    return f"{title(family)} at {METRICS.get(metric, metric)} {size:g}" + (" nats" if metric == "kl" else "")


def facts(view: View) -> list[tuple[str, str]]:
    """What was run, as pairs of a name and a value."""
    table, reference = view.tables.information, view.reference
    cells = table[["network", "beta", "seed", "epoch", "layer", "shift", "size", "status"]].drop_duplicates()
    states = cells.loc[cells["layer"] > 0, "status"]
    shifts = "; ".join(
        f"{title(family)} ({METRICS.get(metric, metric)} {series(view.laws_of(family)['size'])})"
        for family, metric in view.families.items()
    )
    return [
        ("Network", series(table["network"])),
        ("Noise, standard deviation β", series(table["beta"])),
        ("Seeds", series(table["seed"])),
        ("Epochs", series(table["epoch"])),
        ("Inputs", f"{int(reference['n_atoms'])} atoms, H(X) = {number(reference['entropy'])} nats, "
                   f"H(Y) = {number(view.label_entropy)} nats"),
        ("Shifts", shifts or "none"),
        ("Passes for each atom", series(table.loc[table["layer"] > 0, "n_passes"])),
        ("Monte Carlo draws", series(table.loc[table["layer"] > 0, "draws"])),
        ("Estimates (layer, law, epoch)", f"{(states == 'ok').sum()} computed, {(states != 'ok').sum()} failed"),
        ("Device", series(table["device"])),
        ("Code", series(table["code"])),
    ]  # fmt: skip


def violated(view: View) -> Table:
    """Every violated bound of every epoch."""
    return Table(
        ["network", "β", "seed", "epoch", "layer", "shift", "theorem", "measured |ΔI|", "± 1 s.e.", "bound", "slack"],
        [
            [row.network, f"{row.beta:g}", str(row.seed), str(row.epoch), str(row.layer),
             at_size(row.shift, row.size, row.metric), row.theorem, number(row.measured),
             number(row.measured_stderr, 4), number(row.bound), (number(row.slack), "bad")]
            for row in view.violated.itertuples()
        ],
    )  # fmt: skip


def failed(view: View) -> Table:
    """Every cell without numbers, the layers and laws of a network's epoch together."""
    table = view.tables.information
    groups = table[table["status"] != "ok"].groupby(["network", "beta", "seed", "epoch", "shift"], sort=True)
    return Table(
        ["network", "β", "seed", "epoch", "shift", "sizes", "layers"],
        [
            [network, f"{beta:g}", str(seed), str(epoch), title(shift), series(rows["size"]), series(rows["layer"])]
            for (network, beta, seed, epoch, shift), rows in groups
        ],
    )


def bracket_table(view: View) -> Table:
    """The brackets of every layer, and of its projection where there is one, under the reference law at the end."""
    keys = ["network", "beta", "seed", "layer"]
    frames = (view.information, view.label_information, view.projected)
    clean = [view.final(frame[frame["shift"] == "reference"]) for frame in frames]
    both = clean[0].merge(clean[1], on=keys, how="left", suffixes=("", "_y")).assign(projected="")
    both = pd.concat([both, clean[2].assign(projected=", UT")]) if len(clean[2]) else both
    both = both.sort_values([*keys, "projected"])
    labels = {(case.network, case.beta): case.label for case in view.cases}
    head = ["noise", "seed", "layer", "lower end", "low", "high", "width", "bracket of I(X; T)", "of H(X)"]
    return Table(
        [*head, "bracket of I(T; Y)"],
        [
            [labels[row.network, row.beta], str(row.seed), f"{row.layer}{row.projected}", row.form, number(row.low),
             number(row.high), number(row.upper - row.lower), f"[{number(row.lower)}, {number(row.upper)}]",
             (f"{100 * row.saturation:.0f} %", "faint" if row.saturation > SATURATED else ""),
             "" if row.projected else f"[{number(row.lower_y)}, {number(row.upper_y)}]"]
            for row in both.itertuples()
        ],
        f"Nats, reference law, epoch {view.epoch}. A share of H(X) in grey is above {100 * SATURATED:g} %: it says "
        "only that hardly any two inputs overlap." + (PROJECTED if len(clean[2]) else ""),
    )  # fmt: skip


def processing_table(view: View) -> Table:
    """How far each layer's lower end stays under the upper ends of the layers before it."""
    margins = view.final(view.processing[view.processing["shift"] == "reference"])
    later = view.layers[1:]
    rows = []
    for case in view.cases:
        for seed, here in case.of(margins).groupby("seed"):
            margin = here.set_index("layer")["margin"]
            cells = [(number(margin.get(layer)), "bad" if margin.get(layer, 0) < 0 else "") for layer in later]
            rows.append([case.label, str(seed), *cells])
    head = ["noise", "seed", *(f"layer {layer}" for layer in later)]
    caption = f"Nats, reference law, epoch {view.epoch}: least upper end of the layers before, minus own lower end."
    return Table(head, rows, caption)


def law_table(view: View) -> Table:
    """Every law with its entropy and its divergences from the reference; a letter says how each was obtained."""
    ways: dict[str, str] = {}
    rows: list[list[Any]] = []
    for law in view.tables.laws.itertuples():
        name = "reference" if law.shift == "reference" else at_size(law.shift, law.size, law.metric)
        row: list[Any] = [name, law.kind, number(law.parameter), str(law.n_atoms), number(law.entropy)]
        row.append(number(law.p_label_1))
        for distance in ("tv", "kl", "w1", "w2"):
            letter = ways.setdefault(getattr(law, f"{distance}_how"), chr(ord("a") + len(ways)))
            row.append((number(getattr(law, distance)), "mark", letter))
        rows.append(row)
    head = ["law", "kind", "parameter", "atoms", "H(X′), nats", "P(label 1)", "TV", "KL, nats", "W₁", "W₂"]
    return Table(head, rows, "; ".join(f"{letter}: {way}" for way, letter in ways.items()))


def risk_table(view: View) -> Table:
    """The bound on the estimation risk by layer, under the laws of all families: least and largest."""
    bounds = view.final(view.tables.bounds)
    bounds = bounds[bounds["concerns"] == "estimation"]
    rows = [
        [case.label, str(layer), str(theorem), span(group["bound"]), number(group["cap"].min()),
         f"{int(group['vacuous'].sum())} of {len(group)}"]
        for case in view.cases
        for (layer, theorem), group in case.of(bounds).groupby(["layer", "theorem"])
    ]  # fmt: skip
    return Table(["noise", "layer", "theorem", "bound on E|estimate − I|, nats", "cap, nats", "vacuous"], rows)


def accuracy_table(view: View) -> Table:
    """Probability of a correct read-out under each law at the final epoch: mean over seeds, least and largest."""
    table = view.final(view.tables.information)
    table = table[(table["quantity"] == "accuracy") & (table["status"] == "ok")]
    rows = []
    for law in view.tables.laws.itertuples():
        here = table[(table["shift"] == law.shift) & (table["size"] == law.size)]
        cells: list[Any] = []
        for case in view.cases:
            values = 100 * case.of(here)["value"]
            cells.append((number(values.mean(), 1), "", span(values, 1) if values.nunique() > 1 else ""))
        rows.append(["reference" if law.shift == "reference" else at_size(law.shift, law.size, law.metric), *cells])
    return Table(["law", *(f"{case.label}, %" for case in view.cases)], rows)
