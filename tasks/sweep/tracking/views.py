"""The preset views of a shift sweep in MLflow's pages, and how to read its numbers there."""

from ib_core.bounds.theorems import distances
from ib_core.estimate import IN_WORDS
from tasks.sweep.sizes import with_unit
from tasks.sweep.tracking.points import bound_name
from tasks.tracking.views import View, axis, bar, line, scatter

BY_LAW = tuple(f"params.`{name}`" for name in ("part", "beta", "shift_family", "shift_size", "seed"))
TRAINED = ("acc", *(f"test_{what}" for what in ("loss", "accuracy", "clean_accuracy")), "train_clean_accuracy")
READING = f"""\
## How to read the numbers

* All information is in **nats** (1 nat = 1.443 bits). `L1` is the first hidden layer.
* `I_X_T_low` to `I_X_T_high` is a **bracket**: from a lower to an upper end, estimated from independent passes of the
network, {IN_WORDS} further on either side. `I_X_T` is its middle. A difference smaller than the brackets is no finding.
* `acc` is the accuracy of the noisy network under the law of the run, `acc_reference` under the reference law.
`train_accuracy` and `test_accuracy` are over the training and the test part, `train_clean_accuracy` is without noise.
* `dI_X_T` is the middle of the bracket of the change from the reference law to the shifted one, `rel_dev` its size over
the information under the reference law.
* {", ".join(f"`{bound_name(each)}`" for each in distances())}: the smallest bound on that change in
each distance, `slack_min` the smallest of all minus the change. A bound is **vacuous** if it is at or above the trivial
one, min(ln N, capacity of the layers).
* Kinds of runs, by the tag `kind`: a **cell** is one network under one law (step = epoch), a **curve** one network
along one family of shifts (step = index of the size), the **sweep** holds report, figures, tables and checkpoints.
* Lines in grouped charts are means over seeds. The figures of the report show intervals over seeds.
"""


def sweep_views(sweep: str, families: dict[str, str], layers: list[int], metrics: set[str]) -> list[View]:
    """The views of one sweep.

    Args:
        sweep: the value of the tag `sweep` on its runs.
        families: shift family -> metric in which its size is given.
        layers: the hidden layers, first to last.
        metrics: the names of all metrics on its cells and curves.
    """
    on_curves = frozenset(name for name in metrics if name.startswith("curve_"))
    on_cells = frozenset(metrics - on_curves)
    cells, curves = (f"tags.sweep = '{sweep}' and tags.kind = '{kind}'" for kind in ("cell", "curve"))
    return [
        *(_along(*family, curves, layers, on_curves, first=not k) for k, family in enumerate(families.items())),
        _training(cells, layers, on_cells),
        _most_robust(cells, layers, on_cells),
        _vacuous(cells),
        _overview(cells, layers[-1], on_cells),
    ]


def _along(family: str, metric: str, curves: str, layers: list[int], metrics: frozenset[str], first: bool) -> View:
    title = f"I(X;T) against {family}"
    return View(
        slug=family,
        short=title if first else family,
        title=title,
        answers=f"How do the information in each layer and the accuracy move as {with_unit(family, metric)} grows?",
        runs=f"{curves} and params.shift_family = '{family}'",
        columns=("params.`part`", "params.`beta`", "params.`seed`"),
        charts={
            "I(X;T) and accuracy against the size of the shift": tuple(
                line(name, against="shift_size") for name in (*_by_layer("curve_I_X_T", layers), "curve_acc")
            ),
            "|change of I(X;T)| / I(X;T) against the size of the shift": tuple(
                line(name, against="shift_size") for name in _by_layer("curve_rel_dev", layers)
            ),
        },
        metrics=metrics | {"shift_size"},
        group_by="setting",
    )


def _training(cells: str, layers: list[int], metrics: frozenset[str]) -> View:
    return View(
        slug="training",
        short="training",
        title="Information over training",
        answers="When does each layer gain information about input and label, and when does it lose it?",
        runs=f"{cells} and params.shift_family = 'reference'",
        columns=("params.`part`", "params.`beta`", "params.`seed`", *(f"metrics.`{name}`" for name in TRAINED)),
        charts={
            f"{shown} over epochs": tuple(line(name, log=True) for name in (*_by_layer(metric, layers), other))
            for shown, metric, other in (
                ("I(X;T) and accuracy", "I_X_T", "acc"),
                ("I(T;Y) and loss", "I_T_Y", "test_loss"),
            )
        }
        | {"Accuracy with noise and without": tuple(line(name, log=True) for name in TRAINED if "accuracy" in name)},
        metrics=frozenset(name for name in metrics if not name.startswith("bound_")),
        group_by="setting",
    )


def _most_robust(cells: str, layers: list[int], metrics: frozenset[str]) -> View:
    return View(
        slug="robust-layer",
        short="most robust layer",
        title="Most robust layer",
        answers="Whose I(X;T) changes least, relative to the clean value, under each family's largest size?",
        runs=f"{cells} and tags.largest = 'yes'",
        columns=(*BY_LAW, "metrics.`acc`", *(f"metrics.`{name}`" for name in _by_layer("rel_dev", layers))),
        charts={
            "Against the layer (step)": (line("by_layer/rel_dev"), line("by_layer/I_X_T")),
            "|change of I(X;T)| / I(X;T)": tuple(bar(name) for name in _by_layer("rel_dev", layers)),
        },
        metrics=metrics,
        group_by="case",
    )


def _vacuous(cells: str) -> View:
    return View(
        slug="vacuous",
        short="vacuous cases",
        title="Vacuous cases",
        answers="Where does even the smallest bound say no more than the trivial one, and in which layers?",
        runs=f"{cells} and tags.vacuous != 'none'",
        columns=(
            *BY_LAW,
            "tags.`vacuous`",
            "metrics.`n_vacuous`",
            "metrics.`slack_min`",
            "metrics.`rel_dev_max`",
            "metrics.`acc`",
        ),
        order_by="metrics.`n_vacuous`",
        ascending=False,
    )


def _overview(cells: str, deepest: int, metrics: frozenset[str]) -> View:
    information = f"I_X_T/L{deepest}", f"I_T_Y/L{deepest}"
    return View(
        slug="overview",
        short="overview",
        title="Overview of all cells",
        answers="How do noise, shift, information, accuracy and slack hang together over the whole sweep?",
        runs=cells,
        columns=(*BY_LAW, "metrics.`rel_dev_max`", "metrics.`acc`"),
        charts={
            "All cells at the final epoch": (
                {
                    **{"type": "PARALLEL", "selectedParams": ["beta", "shift_size_index"]},
                    "selectedMetrics": [*information, "acc", "rel_dev_max"],
                },
                scatter(*information),
                scatter("rel_dev_max", "slack_min"),
                {
                    **{"type": "CONTOUR", "xaxis": {"key": "beta", "type": "PARAM"}},
                    **{"yaxis": {"key": "shift_size_index", "type": "PARAM"}, "zaxis": axis("rel_dev_max")},
                },
            )
        },
        metrics=metrics,
        order_by="params.`shift_family`",
    )


def _by_layer(metric: str, layers: list[int]) -> tuple[str, ...]:
    return tuple(f"{metric}/L{layer}" for layer in layers)
