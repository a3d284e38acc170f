"""Information under shift, on SZT and on MNIST: every layer, every family, with brackets, bounds and accuracy."""

from collections.abc import Iterable

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tasks.page import figure_style as style
from tasks.page.figure_style import DASH_DOT, DASHED, DOTTED, INK, VACUOUS
from tasks.reproduction.reading import sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.arranged import Arranged, Case
from tasks.sweep.report.figures import BETWEEN, RESPONSE, STRIP, accuracy_strip, response_panel
from tasks.sweep.sizes import title

SWEEPS = {"szt": "SZT", "mnist": "MNIST"}
NETWORK, BETA = "mlp", 0.1  # of several: the narrow one, whose layers are not saturated
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
            f"{shown}: no change of the information goes beyond a theorem's bound.",
            "the theorems themselves",
            "0 violated",
            f"{len(found.violated)} of {len(bounds)} violated; {vacuous:.0f} % of the bounds are vacuous",
            len(found.violated) == 0 if len(bounds) else None,
        )
        yield _order(found, shown)
        yield _accuracy(found, shown)


def _order(found: Arranged, shown: str) -> Claim:
    """Whether later layers lose a larger part of what they knew."""
    table = found.relative
    case = chosen(found)
    mine = case.of(table)
    mine = mine[mine["clear"]]
    deepest, first = mine["layer"].max(), mine["layer"].min()
    largest = mine.assign(size_of=mine["percent"].abs()).groupby("layer")["size_of"].max()
    if len(largest) < 2:
        return Claim(
            f"{shown}: deeper layers react more.", "a conjecture", "increasing with depth", "too few changes", None
        )
    words = ", ".join(f"L{layer} {value:.1f} %" for layer, value in largest.items())
    return Claim(
        f"{shown}, {case.label}: in relative terms the deepest layer reacts more than the first that reacts.",
        "a conjecture of the field: no theorem says so",
        "increasing with depth",
        f"largest clear change by layer: {words}",
        bool(largest[deepest] > largest[first]),
    )


def _accuracy(found: Arranged, shown: str) -> Claim:
    """Accuracy falls where information moves? Only said, not judged: one number for each data set."""
    case = chosen(found)
    changes = found.final(case.of(found.accuracy))
    clean = float(found.accuracy_at(case, "reference").mean())
    least = changes.loc[changes["value"].idxmin()]
    return Claim(
        f"{shown}, {case.label}: the shifts cost accuracy.",
        "beside the information",
        "a fall",
        f"{clean:.1f} % on clean inputs, least {least['value']:.1f} % under {title(least['shift'])}",
        bool(least["upper"] < clean) if len(changes) else None,
    )


def closing(results: Results) -> Figure:
    """A row for each data set, a panel for each family with the accuracy below it."""
    rows = [(shown, sweep(results[name])) for name, shown in SWEEPS.items()]
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
    yield Plate(
        "information_under_shift",
        "Information under shift, SZT and MNIST",
        "I(X; T) of every layer in nats against the size of the shift in its own metric, at the last epoch; bands are "
        "brackets, the mean over seeds where there are several. Dashed: the smallest bound around the value of the "
        "reference law. Dotted: H(X'). Hatched: every bound is vacuous. Below each panel: correct read-outs under the "
        "same laws, in percent.",
        closing(results),
    )


shift_szt_mnist = Reproduction(
    "how does the information in the layers react when the inputs shift?",
    "The question that closes the slides this project started from: mutual information under shift, on the data of "
    "Shwartz-Ziv and Tishby and on MNIST, beside the theorems that bound it.",
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
