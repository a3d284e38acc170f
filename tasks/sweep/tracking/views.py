"""The preset views of a shift sweep in MLflow's pages, and how to read its numbers there."""

from ib_core.bounds.theorems import distances
from ib_core.estimate import IN_WORDS
from tasks.sweep.tracking.points import bound_name
from tasks.tracking.views import View, axis, bar, line, scatter

READING = f"""\
## How to read the numbers

* All information is in **nats** (1 nat = 1.443 bits). `L1` is the first hidden layer.
* `I_X_T_low` to `I_X_T_high` is a **bracket**: a lower and an upper end from independent passes of the network,
{IN_WORDS} outwards; `I_X_T` is its middle. A narrow bracket means a number one can trust.
* `dI_X_T` is the middle of the bracket of the change from the clean law to the shifted one, `rel_dev` its size divided
by the clean value.
* {", ".join(f"`{bound_name(each)}`" for each in distances())}: what the best theorem of a distance allows for
that change, `slack_min` the smallest bound minus change. A bound is **vacuous** where it says no more than the trivial
one (ln N, or the layer's capacity).
* Kinds of runs, by the tag `kind`: a **cell** is one network under one law (step = epoch), a **curve** one network
along one family of shifts (step = index of the size), the **sweep** holds report, figures, tables and checkpoints.
* Lines in grouped charts are averages over seeds. Intervals over seeds are in the report's figures.
"""


def sweep_views(sweep: str, families: dict[str, str], layers: list[int], metrics: set[str]) -> list[View]:
    """The views of one sweep.

    Args:
        sweep: the value of the tag `sweep` on its runs.
        families: shift family -> metric in which its size is given.
        layers: the hidden layers, first to last.
        metrics: the names of all metrics on its cells and curves.
    """
    deepest = f"L{layers[-1]}"
    cells, curves = (f"tags.sweep = '{sweep}' and tags.kind = '{kind}'" for kind in ("cell", "curve"))
    on_curves = frozenset(name for name in metrics if name.startswith("curve_"))
    on_cells = frozenset(metrics - on_curves)
    by_law = tuple(f"params.`{name}`" for name in ("beta", "shift_family", "shift_size", "seed"))
    along = [
        View(
            slug=family,
            short=family if index else f"I(X;T) against {family}",
            title=f"I(X;T) against {family}",
            answers=f"How does the information in each layer move as {family} grows (size in {metric}), at each beta?",
            runs=f"{curves} and params.shift_family = '{family}'",
            columns=("params.`beta`", "params.`seed`"),
            charts={
                "I(X;T) and accuracy against the size of the shift": tuple(
                    line(name, against="shift_size") for name in (*_by_layer("curve_I_X_T", layers), "curve_acc")
                ),
                "|change of I(X;T)| / I(X;T) against the size of the shift": tuple(
                    line(name, against="shift_size") for name in _by_layer("curve_rel_dev", layers)
                ),
            },
            metrics=on_curves | {"shift_size"},
            group_by="beta",
        )
        for index, (family, metric) in enumerate(families.items())
    ]
    training = View(
        slug="training",
        short="training",
        title="Information over training",
        answers="When does each layer gain information about input and label, and when does it lose it?",
        runs=f"{cells} and params.shift_family = 'reference'",
        columns=("params.`beta`", "params.`seed`", "metrics.`acc`", "metrics.`test_loss`"),
        charts={
            "I(X;T) and accuracy over epochs": tuple(
                line(name, log=True) for name in (*_by_layer("I_X_T", layers), "acc")
            ),
            "I(T;Y) and loss over epochs": tuple(
                line(name, log=True) for name in (*_by_layer("I_T_Y", layers), "test_loss")
            ),
        },
        metrics=frozenset(name for name in on_cells if not name.startswith("bound_")),
        group_by="beta",
    )
    robust = View(
        slug="robust-layer",
        short="most robust layer",
        title="Most robust layer",
        answers="Whose I(X;T) changes least, relative to the clean value, under each family's largest size?",
        runs=f"{cells} and tags.largest = 'yes'",
        columns=(*by_law, *(f"metrics.`{name}`" for name in _by_layer("rel_dev", layers))),
        charts={
            "Against the layer (step)": (line("by_layer/rel_dev"), line("by_layer/I_X_T")),
            "|change of I(X;T)| / I(X;T)": tuple(bar(name) for name in _by_layer("rel_dev", layers)),
        },
        metrics=on_cells,
        group_by="case",
    )
    vacuous = View(
        slug="vacuous",
        short="vacuous cases",
        title="Vacuous cases",
        answers="Where does even the smallest bound say no more than the trivial one, and in which layers?",
        runs=f"{cells} and tags.vacuous != 'none'",
        columns=(*by_law, "tags.`vacuous`", "metrics.`n_vacuous`", "metrics.`slack_min`", "metrics.`rel_dev_max`"),
        order_by="metrics.`n_vacuous`",
        ascending=False,
    )
    overview = View(
        slug="overview",
        short="overview",
        title="Overview of all cells",
        answers="How do noise, shift, information, accuracy and slack hang together over the whole sweep?",
        runs=cells,
        columns=(*by_law, "metrics.`rel_dev_max`", "metrics.`acc`"),
        charts={
            "All cells at the final epoch": (
                {
                    **{"type": "PARALLEL", "selectedParams": ["beta", "shift_size_index"]},
                    "selectedMetrics": [f"I_X_T/{deepest}", f"I_T_Y/{deepest}", "acc", "rel_dev_max"],
                },
                scatter(f"I_X_T/{deepest}", f"I_T_Y/{deepest}"),
                scatter("rel_dev_max", "slack_min"),
                {
                    **{"type": "CONTOUR", "xaxis": {"key": "beta", "type": "PARAM"}},
                    **{"yaxis": {"key": "shift_size_index", "type": "PARAM"}, "zaxis": axis("rel_dev_max")},
                },
            )
        },
        metrics=on_cells,
        order_by="params.`shift_family`",
    )
    return [*along, training, robust, vacuous, overview]


def _by_layer(metric: str, layers: list[int]) -> tuple[str, ...]:
    return tuple(f"{metric}/L{layer}" for layer in layers)
