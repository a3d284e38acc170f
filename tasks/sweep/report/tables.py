"""The tables of the report: numbers as people read them, in nats, with their doubt."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from ib_core.bounds.theorem import Theorem
from ib_core.bounds.theorems import among, named
from ib_core.estimate import WIDTH
from tasks.page.tables import Table, number, series, span
from tasks.sweep.laws import ROUNDING, name_in
from tasks.sweep.report.arranged import Arranged, Case
from tasks.sweep.report.verdict import SATURATED
from tasks.sweep.schema import CELL, CHECKPOINT, DISTANCES, ESTIMATE, PARTS
from tasks.sweep.sizes import METRICS, SEVERITIES, at_size, title

WIDE = (
    " Where the lower end names directions, the layer is too wide to be measured whole: the lower end is that of a "
    "projection on so many directions, the upper end is H(X)."
)
PROJECTED = (
    " Rows UT are I(X; UT) of projections on few directions: the lower end is below I(X; T) too, the upper end bounds "
    "I(X; UT) alone, and a change of the projection says nothing about that of the layer."
)


def facts(arranged: Arranged) -> list[tuple[str, str]]:
    """What was run, as pairs of a name and a value."""
    table = arranged.tables.information
    estimates = table[[*ESTIMATE, "status"]].drop_duplicates()
    states = estimates.loc[estimates["layer"] > 0, "status"]
    shifts = "; ".join(_swept(arranged, *family) for family in arranged.families.items())
    layers = arranged.tables.layers.drop_duplicates(["network", "layer"]).sort_values("layer")
    by_network = dict.fromkeys(
        ", ".join(f"{row.layer} {row.name} ({row.d})" for row in rows.itertuples())
        for _, rows in layers.groupby("network")
    )
    measured = [arranged.reference_of(case) for case in {case.split: case for case in arranged.cases}.values()]
    return [
        ("Network", series(table["network"])),
        ("Noise, standard deviation β", series(table["beta"])),
        ("Seeds", series(table["seed"])),
        ("Epochs", series(table["epoch"])),
        ("Layers, and their units", "; ".join(by_network)),
        ("Inputs", "; ".join(
            f"{'' if law['split'] == 'all' else law['split'] + ': '}{int(law['n_atoms'])} atoms, "
            f"H(X) = {number(law['entropy'])} nats, H(Y) = {number(law['label_entropy'])} nats" for law in measured)),
        ("Shifts", shifts or "none"),
        ("Passes of each atom", _passes(arranged)),
        ("Monte Carlo draws", _whole(table.loc[table["layer"] > 0, "draws"])),
        ("Estimates", f"{(states == 'ok').sum()} computed, {(states != 'ok').sum()} failed"),
        ("Device", series(table.loc[(table["layer"] > 0) & (states == "ok"), "device"])),
        ("Code", series(table["code"])),
    ]  # fmt: skip


def _passes(arranged: Arranged) -> str:
    """Stored and own ones; the first layer has but one of them, as every further one would be the same."""
    table = arranged.tables.information
    first, later = (_whole(table.loc[here, "n_passes"]) for here in (table["layer"] == 1, table["layer"] > 1))
    own = arranged.tables.config.get("estimator", {}).get("own_passes")
    further = f" and {own} own" if own else ""
    return f"{first} stored (layer 1)" if later == "–" else f"{later} stored{further} (layer 1: {first} stored)"


def _whole(values: pd.Series) -> str:
    """Whole numbers as one, or from the least to the largest."""
    known = values.dropna()
    if known.empty:
        return "–"
    low, high = int(known.min()), int(known.max())
    return f"{low}" if low == high else f"{low} to {high}"


def sampled(arranged: Arranged) -> str:
    """Under what all numbers of the page were measured: atoms, passes, draws, noise and seeds."""
    table = arranged.tables.information
    parts = {case.split: int(arranged.reference_of(case)["n_atoms"]) for case in arranged.cases}
    atoms = " and ".join(f"{n}{'' if part == 'all' else f' ({part})'}" for part, n in parts.items())
    draws = _whole(table.loc[table["layer"] > 0, "draws"])
    seeds = series(table["seed"])
    return (
        f"N = {atoms} atoms; passes of each: {_passes(arranged)}; {draws} draws; β = {series(table['beta'])}; "
        f"seed{'s' if ',' in seeds else ''} {seeds}"
    )


def projected_from(arranged: Arranged, cases: list[Case], families: Iterable[str]) -> str:
    """From which epoch and size on layers have projections, where they have none before: only then are they saturated.

    Args:
        arranged: the tables.
        cases: of the figure.
        families: of the figure.
    """
    found = []
    for case in cases:
        where = f"{case.label}: " if len(arranged.cases) > 1 else ""
        for layer, rows in case.of(arranged.projected).groupby("layer"):
            every = case.of(arranged.information)
            every = every[every["layer"] == layer]
            known, first = (set(each.loc[each["shift"] == "reference", "epoch"]) for each in (every, rows))
            if first and min(first) > min(known):
                found.append(f"{where}layer {layer} from epoch {min(first)} on")
            rows, every = arranged.final(rows), arranged.final(every)
            for family in families:
                here, sizes = (set(each.loc[each["shift"] == family, "size"]) for each in (rows, every))
                if here and here != sizes:
                    upwards = here == {size for size in sizes if size >= min(here)}
                    on = f"from {min(here):g} on" if upwards else f"at {series(here)}"
                    found.append(f"{where}layer {layer} under {title(family)} {on}")
    return "; ".join(dict.fromkeys(found))


def _swept(arranged: Arranged, family: str, metric: str) -> str:
    """A family with its sizes: "rotation (severity 10, 30 degrees)"."""
    unit = f" {SEVERITIES[family]}" if metric == "severity" and family in SEVERITIES else ""
    sizes = series(arranged.laws_of(family)["size"])
    return f"{title(family)} ({METRICS.get(metric, metric)} {sizes}{unit})"


def violated(arranged: Arranged) -> Table:
    """Every violated bound of every epoch."""
    return Table(
        ["network", "β", "seed", "epoch", "part", "layer", "shift", "theorem", "measured |ΔI|", "± 1 s.e.",
         "bound", "slack"],
        [
            [row.network, f"{row.beta:g}", str(row.seed), str(row.epoch), row.split, str(row.layer),
             at_size(row.shift, row.size, row.metric), named(row.theorem).label, number(row.measured),
             number(row.measured_stderr, 4), number(row.bound), (number(row.slack), "bad")]
            for row in arranged.violated.itertuples()
        ],
    )  # fmt: skip


def failed(arranged: Arranged) -> Table:
    """Every cell without numbers, the layers and laws of a network's epoch together."""
    table = arranged.tables.information
    groups = table[table["status"] != "ok"].groupby([*CHECKPOINT, "split", "shift"], sort=True)
    return Table(
        ["network", "β", "seed", "epoch", "part", "shift", "sizes", "layers"],
        [
            [network, f"{beta:g}", str(seed), str(epoch), part, title(shift), series(rows["size"]),
             series(rows["layer"])]
            for (network, beta, seed, epoch, part, shift), rows in groups
        ],
    )  # fmt: skip


def bracket_table(arranged: Arranged) -> Table:
    """The brackets of every layer, and of its projection where there is one, under the reference law at the end."""
    keys = [key for key in CELL if key != "epoch"]
    frames = (arranged.information, arranged.label_information, arranged.projected)
    clean = [arranged.final(frame[frame["shift"] == "reference"]) for frame in frames]
    both = clean[0].merge(clean[1], on=keys, how="left", suffixes=("", "_y")).assign(projected="")
    both = pd.concat([both, clean[2].assign(projected=", UT")]) if len(clean[2]) else both
    both = both.sort_values([*keys, "projected"])
    labels = {(case.network, case.beta, case.split): case.label for case in arranged.cases}
    head = ["network", "seed", "layer", "form", "lower end", "upper end", "width", "bracket of I(X; T)", "of H(X)"]
    return Table(
        [*head, "bracket of I(T; Y)"],
        [
            [labels[row.network, row.beta, row.split], str(row.seed), f"{row.layer}{row.projected}", row.form,
             number(row.low), number(row.high), number(row.upper - row.lower),
             f"[{number(row.lower)}, {number(row.upper)}]",
             (f"{100 * row.saturation:.0f} %", "faint" if row.saturation > SATURATED else ""),
             "" if row.projected else f"[{number(row.lower_y)}, {number(row.upper_y)}]"]
            for row in both.itertuples()
        ],
        f"Nats, reference law, epoch {arranged.epoch}; {sampled(arranged)}. A share of H(X) in grey is above "
        f"{100 * SATURATED:g} %: hardly any two inputs overlap."
        + (WIDE if len(arranged.wide) else "") + (PROJECTED if len(clean[2]) else ""),
    )  # fmt: skip


def layer_table(arranged: Arranged) -> Table:
    """What the layers are, and what the theorems may claim of each."""
    table = arranged.final(arranged.tables.layers)
    rows = []
    for case in {case.network_label: case for case in arranged.cases}.values():
        for row in case.of(table[table["seed"] == table["seed"].min()]).itertuples():
            reach = f"|S| ≤ {row.half_width:g}" if row.half_width == row.half_width else f"power {number(row.power)}"
            known = number(row.lipschitz) if row.lipschitz == row.lipschitz else "not known"
            passed = "" if row.cut else "bypassed by a connection"
            rows.append([case.network_label, str(row.layer), row.name, row.shape, str(row.d), number(row.noise), reach,
                         number(row.capacity), known, (passed, "" if row.cut else "bad")])  # fmt: skip
    head = ["network", "layer", "module", "shape", "units", "noise, s.d.", "reach", "capacity, nats", "Lipschitz", ""]
    return Table(head, rows, "Where a connection bypasses a layer, neither data processing nor its capacity is used "
                 "for later layers. Power: the largest mean square of a coordinate in any pass, as measured. "
                 "Lipschitz: constant of X → S; where it is not known, only the coupled W bound applies.")  # fmt: skip


def processing_table(arranged: Arranged) -> Table:
    """How far each layer's lower end stays under the upper ends of the layers before it."""
    margins = arranged.final(arranged.processing[arranged.processing["shift"] == "reference"])
    later = arranged.layers[1:]
    rows = []
    for case in arranged.cases:
        for seed, here in case.of(margins).groupby("seed"):
            margin = here.set_index("layer")["margin"]
            cells = [(number(margin.get(layer)), "bad" if margin.get(layer, 0) < 0 else "") for layer in later]
            rows.append([case.label, str(seed), *cells])
    head = ["network", "seed", *(f"layer {layer}" for layer in later)]
    caption = (
        f"Margin in nats, reference law, epoch {arranged.epoch}: least upper end among the layers before, minus the "
        "layer's own lower end."
    )
    return Table(head, rows, caption)


def law_table(arranged: Arranged) -> Table:
    """Every law with its entropy and its divergences from the reference; a letter says how each was obtained."""
    ways: dict[str, str] = {}
    rows: list[list[Any]] = []
    for law in arranged.tables.laws.itertuples():
        name = "reference" if law.shift == "reference" else at_size(law.shift, law.size, law.metric)
        name = name_in(law.split, name).replace("/", ": ")
        row: list[Any] = [name, law.kind, number(law.parameter), str(law.n_atoms), number(law.entropy)]
        moves = abs(law.p_label - law.p_label_before) > ROUNDING
        before, after = number(law.p_label_before), number(law.p_label)
        row.append(f"{law.label}: {before} → {after}" if moves else "")
        for distance in DISTANCES:
            letter = ways.setdefault(getattr(law, f"{distance}_how"), chr(ord("a") + len(ways)))
            row.append((number(getattr(law, distance)), "mark", letter))
        rows.append(row)
    head = ["law", "kind", "parameter", "atoms", "H(X′), nats", "label: P → P′", "TV", "KL, nats", "W₁", "W₂"]
    caption = "; ".join(f"{letter}: {way}" for way, letter in ways.items())
    return Table(head, rows, f"{caption}. The label shown is the one whose probability rises most, if any does.")


def risk_table(arranged: Arranged) -> Table:
    """The bound on the risk of the plug-in by layer, under the laws of all families: least and largest."""
    bounds = arranged.final(arranged.tables.bounds)
    bounds = bounds[bounds["concerns"] == "estimation"]
    rows = [
        [case.label, str(layer), named(str(theorem)).label, span(group["bound"]), number(group["cap"].min()),
         f"{int(group['vacuous'].sum())} of {len(group)}"]
        for case in arranged.cases
        for (layer, theorem), group in case.of(bounds).groupby(["layer", "theorem"])
    ]  # fmt: skip
    return Table(["network", "layer", "theorem", "bound on E|plug-in − I|, nats", "cap, nats", "vacuous"], rows)


def label_table(arranged: Arranged) -> Table:
    """What is certain of I(T;Y) of the last layer, beside its bracket: the least and the largest over seeds."""
    bounds = arranged.final(arranged.tables.bounds)
    bounds = bounds[bounds["concerns"] == "label"]
    brackets = bounds["measured"].to_frame("middle").assign(half=WIDTH * bounds["measured_stderr"])
    bounds = bounds.assign(low=brackets["middle"] - brackets["half"], high=brackets["middle"] + brackets["half"])
    rows = [
        [case.label, str(layer), at_size(shift, size, metric), named(theorem).label,
         (span(group["bound"]), "faint" if group["vacuous"].all() else "bad" if not group["holds"].all() else ""),
         f"{number(group['low'].min())} to {number(group['high'].max())}"]
        for case in arranged.cases
        for (layer, shift, size, metric, theorem), group in case.of(bounds).groupby(
            ["layer", "shift", "size", "metric", "theorem"], sort=False)
    ]  # fmt: skip
    return Table(["network", "layer", "shift", "theorem", "I(T; Y) is at least, nats", "bracket, nats"], rows)


def applied(arranged: Arranged) -> list[Theorem]:
    """The theorems that the tables hold anything against."""
    return among([*arranged.tables.bounds["theorem"], *arranged.tables.worst_case["theorem"]])


def network_table(arranged: Arranged) -> Table:
    """Loss and accuracy of every network at the final epoch, with its noise and without."""
    history = arranged.final(arranged.tables.history)
    rows = [
        [f"{row.network}, β = {row.beta:g}", str(row.seed),
         *(number(100 * getattr(row, f"{part}_{what}"), 1)
           for part in PARTS for what in ("accuracy", "clean_accuracy")),
         *(number(getattr(row, f"{part}_loss")) for part in PARTS)]
        for row in history.itertuples()
    ]  # fmt: skip
    head = [f"{part}, {how}, %" for part in PARTS for how in ("noisy", "clean")]
    return Table(["network", "seed", *head, *(f"{part} loss, nats" for part in PARTS)], rows)


def accuracy_table(arranged: Arranged) -> Table:
    """Probability of a correct read-out under each law at the final epoch: mean over seeds, least and largest."""
    rows = []
    laws = arranged.tables.laws
    for law in laws[laws["split"] == arranged.cases[0].split].itertuples():
        cells: list[Any] = []
        for case in arranged.cases:
            values = arranged.accuracy_at(case, law.shift, law.size)
            cells.append((number(values.mean(), 1), "", span(values, 1) if values.nunique() > 1 else ""))
        rows.append(["reference" if law.shift == "reference" else at_size(law.shift, law.size, law.metric), *cells])
    return Table(["law", *(f"{case.label}, %" for case in arranged.cases)], rows)


def measure_tables(arranged: Arranged) -> list[Table]:
    """What else was measured of every layer under the reference law at the final epoch: a table for each measure, the
    mean over seeds."""
    table = arranged.final(arranged.numbers)
    return [
        Table(
            ["network", "layer", *quantities],
            [
                [case.label, _layer(arranged, case, layer, here), *_measured(here, quantities)]
                for case in arranged.cases
                for layer, here in case.of(rows[rows["shift"] == "reference"]).groupby("layer")
            ],
            str(measure),
        )
        for measure, rows, quantities in _by_measure(table)
    ]


def measures_by_law(arranged: Arranged) -> list[Table]:
    """The same under every law that it was measured for, a table for each measure and case."""
    table = arranged.final(arranged.numbers)
    return [
        _law_measures(arranged, case, str(measure), case.of(rows[rows["size"] > 0]), quantities)
        for measure, rows, quantities in _by_measure(table)
        for case in arranged.cases
    ]


def _law_measures(arranged: Arranged, case: Case, measure: str, table: pd.DataFrame, quantities: list[str]) -> Table:
    rows = [
        [at_size(shift, size, metric), _layer(arranged, case, layer, here), *_measured(here, quantities)]
        for (shift, size, metric, layer), here in table.groupby(["shift", "size", "metric", "layer"], sort=False)
    ]
    return Table(["law", "layer", *quantities], rows, f"{measure}, {case.label}")


def _by_measure(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Every measure with its rows and quantities, in the order of the table."""
    for measure, rows in table.groupby("measure", sort=False):
        yield str(measure), rows, [str(quantity) for quantity in rows["quantity"].unique()]


def _layer(arranged: Arranged, case: Case, layer: int, here: pd.DataFrame) -> str:
    """The layer, and how many atoms stand for all where they are fewer."""
    seen, whole = here["n_atoms"].min(), int(arranged.reference_of(case)["n_atoms"])
    return f"{layer}" if pd.isna(seen) or seen >= whole else f"{layer} (from {seen} of {whole} atoms)"


def _measured(here: pd.DataFrame, quantities: list[str]) -> list[str]:
    means = here.groupby("quantity")["value"].mean()
    return [number(means.get(name)) for name in quantities]
