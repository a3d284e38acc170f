"""Information under shift, on SZT and on MNIST: every layer, every family, with brackets, bounds and accuracy."""

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tasks.page import figure_style as style
from tasks.page.figure_style import DASH_DOT, DASHED, DOTTED, INK, VACUOUS
from tasks.page.tables import violated
from tasks.reproduction.reading import Span, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.arranged import Arranged, Case
from tasks.sweep.report.figures import BETWEEN, RESPONSE, STRIP, accuracy_strip, response_panel
from tasks.sweep.report.verdict import Verdict
from tasks.sweep.sizes import title

SWEEPS = {"szt": "SZT", "mnist": "MNIST"}
NETWORK, BETA = "mlp", 0.1  # of several: the narrow one, most of whose layers are not saturated
FAMILIES = 4  # side by side


def chosen(found: Arranged) -> Case:
    """The case that is drawn: of several networks the narrow one, at the noise level that both data sets share."""
    same = [case for case in found.cases if case.beta == BETA] or found.cases
    return next((case for case in same if case.network == NETWORK), same[0])


def shown_families(found: Arranged) -> list[str]:
    """As many as fit: reweightings and moved laws, both where there are both."""
    laws = found.tables.laws
    moved = set(laws.loc[laws["kind"] == "moved", "shift"])
    weighed = [family for family in found.families if family not in moved]
    moves = [family for family in found.families if family in moved]
    some = max(FAMILIES - len(moves), FAMILIES // 2)
    return (weighed[:some] + moves)[:FAMILIES]


def claims(results: Results) -> Iterable[Claim]:
    for name, shown in SWEEPS.items():
        found = sweep(results[name])
        bounds = found.tables.bounds
        bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
        vacuous = 100 * bounds["vacuous"].mean() if len(bounds) else 0.0
        yield Claim(
            f"{shown}: no change of the information exceeds a bound.",
            "the theorems themselves",
            "0 violated",
            f"{len(violated(bounds))} of {len(bounds)} violated; {vacuous:.0f} % of the bounds are vacuous",
            None if bounds["vacuous"].all() else violated(bounds).empty,
        )
        if found.cases:
            yield _order(found, shown)
            yield _accuracy(found, shown)


def _order(found: Arranged, shown: str) -> Claim:
    """Whether later layers lose a larger part of what they knew, of those that are not saturated."""
    judged = Verdict(found).judged(chosen(found))
    spans = relative_spans(found, chosen(found))
    largest = {layer: span for layer, span in spans.items() if layer in judged}
    words = ", ".join(f"L{layer} {span} %" for layer, span in largest.items()) or "nothing"
    return Claim(
        f"{shown}, {chosen(found).label}: relative to its information, the deepest layer changes more "
        "than the first layer that changes and is not saturated.",
        "a conjecture of the field, no theorem",
        "a larger change in the deepest layer",
        f"largest change by layer, where it exceeds the brackets: {words}",
        (largest[max(largest)] - largest[min(largest)]).above(0.0) if len(largest) > 1 else None,
    )


def relative_spans(found: Arranged, case: Case) -> dict[int, Span]:
    """By layer, of those with a change beyond the brackets in every seed, the largest |change of I(X;T)| / I(X;T) under
    any law at the last epoch, the mean over seeds, percent."""
    change = found.final(case.of(found.deviation))
    change = change[change["size"] > 0]
    clean = found.final(case.of(found.information))
    clean = clean[clean["shift"] == "reference"][["seed", "layer", "lower", "upper"]]
    table = change.merge(clean, on=["seed", "layer"], suffixes=("", "_clean"))
    table = table.assign(clear=(table["lower"] > 0) | (table["upper"] < 0))
    sizes = [Span(row.lower, row.upper).size for row in table.itertuples()]
    with np.errstate(divide="ignore"):
        table = table.assign(
            least=100 * np.array([each.low for each in sizes]) / table["upper_clean"],
            most=100 * np.array([each.high for each in sizes]) / table["lower_clean"],
        )
    laws = table.groupby(["layer", "shift", "size"], as_index=False).agg(
        clear=("clear", "all"), least=("least", "mean"), most=("most", "mean")
    )
    reacting = laws[laws["layer"].isin(laws.loc[laws["clear"], "layer"])]
    return {int(layer): Span(rows["least"].max(), rows["most"].max()) for layer, rows in reacting.groupby("layer")}


def _accuracy(found: Arranged, shown: str) -> Claim:
    """Whether the network is less often right under the law that is hardest for it."""
    case = chosen(found)
    table = found.final(case.of(found.accuracy))
    means = table.groupby(["shift", "size"])[["value", "lower", "upper"]].mean()
    clean, shifts = (
        means[means.index.get_level_values("shift") == "reference"],
        means.drop("reference", errors="ignore"),
    )
    judged, words = None, "nothing"
    if len(clean) and len(shifts):
        before, least = clean.iloc[0], shifts.loc[shifts["value"].idxmin()]
        fall = Span(before["lower"], before["upper"]) - Span(least["lower"], least["upper"])
        where = title(str(shifts["value"].idxmin()[0]))
        words = f"{before['value']:.1f} % on clean inputs, least {least['value']:.1f} % under {where}, a fall by "
        words += f"{fall} points"
        judged = fall.above(0.0)
    return Claim(
        f"{shown}, {case.label}: the worst of the shifts costs accuracy.",
        "beside the information",
        "a fall",
        words,
        judged,
    )


def closing(results: Results) -> Figure:
    """A row for each data set, a panel for each family with the accuracy below it."""
    rows = [(shown, sweep(results[name])) for name, shown in SWEEPS.items()]
    rows = [(shown, found) for shown, found in rows if len(found.information)]
    below = STRIP + BETWEEN
    figure, panels = style.sheet(
        len(rows), FAMILIES, RESPONSE, (0.35, 0.95 + below), top=0.64 + style.LINE, bottom=0.5 + below
    )
    layers: set[int] = set()
    for row, (shown, found) in enumerate(rows):
        case, families = chosen(found), shown_families(found)
        for column in range(FAMILIES):
            if column >= len(families):
                panels[row, column].set_axis_off()
                continue
            response_panel(panels[row, column], found, case, families[column])
            accuracy_strip(panels[row, column], found, case, families[column], first=column == 0)
            panels[row, column].set_title(title(families[column]))
            panels[row, column].tick_params("y", labelleft=column == 0)
        panels[row, 0].set_ylabel(f"{shown}, β = {case.beta:g}\nI(X; T) in nats")
        layers |= set(case.of(found.information)["layer"])
    handles = [
        *style.layer_handles(sorted(int(layer) for layer in layers)),
        Line2D([], [], color=INK, lw=0.9, ls=DASHED, label="I(reference) ± smallest bound"),
        Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label="H(X′)"),
        Line2D([], [], color=INK, lw=1.0, ls=DASH_DOT, label="projection of a saturated layer"),
        Patch(**VACUOUS, label="every bound vacuous"),
    ]
    style.legend(figure, handles)
    return figure


def plates(results: Results) -> Iterable[Plate]:
    if all(sweep(results[name]).information.empty for name in SWEEPS):
        return
    yield Plate(
        "information_under_shift",
        "Information under shift, SZT and MNIST",
        "I(X; T) of every layer in nats against the size of the shift in its own metric, at the last epoch; bands are "
        "brackets, the mean over seeds where there are several. Dashed: the smallest bound around the value of the "
        "reference law. Dotted: H(X'). Hatched: every bound is vacuous. Below each panel: accuracy under the "
        "same laws, in percent.",
        closing(results),
    )


shift_szt_mnist = Reproduction(
    "how does the information in the layers react when the inputs shift?",
    "The question that closes the slides this project started from: mutual information under shift, on the data "
    "of Shwartz-Ziv and Tishby and on MNIST, and the theorems that bound it.",
    tuple(SWEEPS),
    claims,
    plates,
    differs=("MNIST needs its four official files: IBSHIFT_MNIST_DIR names their folder.",),
    small={
        "szt": {
            "data.atoms": 300,
            "network.betas": [0.1],
            "network.seeds": [0],
            "training.epochs": 40,
            "training.checkpoints": 1,
            "estimator.stored_passes": 4,
            "estimator.own_passes": 40,
            "estimator.target_stderr": 0.05,
            "estimator.max_draws": 2048,
        },
        "mnist": {
            "data.atoms": 120,
            "networks": [{"name": "mlp", "source": "mlp", "widths": [16, 4], "betas": [0.1]}],
            "training.epochs": 1,
            "shifts": [
                {"family": "contamination", "sizes": [0.1, 0.3]},
                {"family": "class_tilt", "sizes": [0.1, 0.5], "parameters": {"label": 8}},
                {"family": "rotation", "sizes": [20.0]},
                {"family": "gaussian_noise", "sizes": [0.2]},
            ],
            "estimator.stored_passes": 4,
            "estimator.own_passes": 16,
            "estimator.target_stderr": 0.05,
            "estimator.max_draws": 2048,
        },
    },
)
