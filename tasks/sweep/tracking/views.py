"""The preset views of a shift sweep in MLflow's pages, and how to read its numbers there."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ib_core.bounds.theorems import distances
from ib_core.estimate import IN_WORDS
from tasks.sweep.sizes import with_unit
from tasks.sweep.tracking.points import (
    ABOVE,
    ACCURACY,
    BOUND,
    BY_LAYER,
    CHANGE,
    CHANGED,
    INFORMATION,
    LABEL,
    LAYER,
    TIGHTNESS,
    WHOLE_ACCURACY,
    along,
    bound_name,
    changed_under,
    size_of,
)
from tasks.tracking.views import Chart, Question, Section, View, columns_for, line, parallel, scatter

LAYERS = " and params.layer != 'network'"
BY_LAW = tuple(f"params.`{name}`" for name in ("setting", "shift_family", "shift_size", "seed"))
QUESTIONS = {
    "robust": Question(
        "most robust layer", "Whose I(X;T) changes least, relative to the clean value, at each family's largest size?"
    ),
    "shift": Question("shift", "How does I(X;T) of each layer move as the shift grows?"),
    "bounds": Question("bounds", "How far is the smallest bound from the measured change, and how tight is it?"),
    "accuracy": Question("accuracy", "Does accuracy fall where the information in a layer changes?"),
    "training": Question(
        "training",
        "When does each layer gain or lose information about input and label, and what is learned?",
    ),
    "vacuous": Question(
        "vacuous", "Where does even the smallest bound say no more than the trivial one, and in which layers?"
    ),
    "networks": Question("side by side", "Which networks learn, keep or lose more? One line for each kind and noise."),
    "overview": Question("all cells", "How do noise, shift, information and accuracy hang together over the sweep?"),
    "sweeps": Question("settings and totals", "What differs between the sweeps, and what do they come to?"),
    "compare": Question(
        "side by side",
        "Does another sweep learn, keep or lose more? One line for each sweep, all of one noise.",
    ),
}
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
* `change` is the size of the change, `tightness` that over the smallest bound: 1 where nothing is left, 0.01 where the
bound allows a hundred times what happened.
* Kinds of runs, by the tag `kind`: a **cell** is one network under one law (step = epoch), a **curve** one layer of one
network, or the network as a whole (step = epoch, and index of the size in metrics that begin with a family), the
**sweep** holds report, figures, tables and checkpoints.
* Lines in grouped charts are means over seeds. The figures of the report show intervals over seeds.
"""


def sweep_views(
    sweep: str, name: str, kinds: Iterable[str], families: dict[str, str], layers: list[int], metrics: set[str]
) -> list[View]:
    """The views of one sweep, and those that compare it with others of the experiment.

    Args:
        sweep: the value of the tag `sweep` on its runs.
        name: the sweep, for people.
        kinds: the values of the param `setting` on its cells and curves: networks that charts do not mix.
        families: shift family -> metric in which its size is given.
        layers: the hidden layers, first to last.
        metrics: the names of all metrics on its runs.
    """
    known, mine = frozenset(metrics), f"tags.sweep = '{sweep}'"
    networks = [_Where(sweep, name, setting, known) for setting in kinds]
    found = [view for each in networks for view in each.views(families, layers)]
    if len(networks) > 1:
        title = f"{name} · {QUESTIONS['networks'].short}"
        curves = networks[0].on_curves
        found.append(_side_by_side("networks", title, mine, families, curves, group_by="setting", sweep=sweep))
    cells = f"{mine} and tags.kind = 'cell'"
    vacuous = [_vacuous(sweep, name, cells)] if families else []
    return [*found, *vacuous, _overview(sweep, name, cells, known), _sweeps()]


class _Where(NamedTuple):
    """The networks of one setting in one sweep, and the views of them."""

    sweep: str
    name: str
    setting: str
    metrics: frozenset[str]

    def views(self, families: dict[str, str], layers: list[int]) -> list[View]:
        shifted = [
            self.robust(layers),
            self.shift(families, len(layers)),
            self.bounds(families, len(layers)),
            self.accuracy(families),
        ]
        return [*(shifted if families else []), self.training(len(layers)), self.compared(families)]

    @property
    def on_curves(self) -> frozenset[str]:
        return frozenset(name for name in self.metrics if "/L" not in name)

    @property
    def on_cells(self) -> frozenset[str]:
        return frozenset(name for name in self.metrics if "/L" in name or "/" not in name)

    def view(self, question: str, runs: str, sections: list[Section], **others: Any) -> View:
        return View(
            sweep=self.sweep,
            question=question,
            setting=self.setting,
            title=f"{self.name} · {self.setting} · {QUESTIONS[question].short}",
            runs=f"tags.sweep = '{self.sweep}' and params.setting = '{self.setting}' and {runs}",
            sections=tuple(sections),
            **others,
        )

    def by_layer(self, question: str, sections: list[Section], runs: str = "", group_by: str | None = "layer") -> View:
        """Curves of layers, one line for each."""
        columns = ("params.`layer`", "params.`seed`")
        shown = {"metrics": self.on_curves, "group_by": group_by, "order_by": "params.`layer`"}
        return self.view(question, f"tags.kind = 'curve'{runs}", sections, columns=columns, **shown)

    def shift(self, families: dict[str, str], n_layers: int) -> View:
        def charts(family: str, size: str) -> tuple[Chart, ...]:
            above = ABOVE.format(size)
            return (
                line(along(family, INFORMATION), against=size),
                line(along(family, CHANGED), against=above),
            )

        return self.by_layer("shift", _each(families, charts, columns_for(n_layers)), LAYERS)

    def bounds(self, families: dict[str, str], n_layers: int) -> View:
        def charts(family: str, size: str) -> tuple[Chart, ...]:
            above = ABOVE.format(size)
            return (
                line(along(family, CHANGE), along(family, BOUND), against=above, log_y=True),
                line(along(family, TIGHTNESS), against=above),
            )

        return self.by_layer("bounds", _each(families, charts, columns_for(2 * n_layers)), LAYERS)

    def accuracy(self, families: dict[str, str]) -> View:
        """Seeds have places of their own on the axis, so there is no mean.

        Layers are told by the colours of runs, whose names are long.
        """

        def charts(family: str, size: str) -> tuple[Chart, ...]:
            return (
                line(along(family, INFORMATION), against=along(family, ACCURACY)),
                line(along(family, WHOLE_ACCURACY), against=size),
            )

        return self.by_layer("accuracy", _each(families, charts, columns=1), group_by=None)

    def training(self, n_layers: int) -> View:
        """Over epochs, on a logarithmic axis. The network as a whole has a place in the legend too."""
        information = line(INFORMATION, log_x=True), line(LABEL, log_x=True)
        learned = (
            line("train_accuracy", "test_accuracy", log_x=True),
            line("train_loss", "test_loss", log_x=True),
        )
        gained = Section("Information over epochs", information, columns_for(n_layers + 1))
        return self.by_layer("training", [gained, Section("Learned over epochs", learned)])

    def robust(self, layers: list[int]) -> View:
        changes = tuple(f"metrics.`rel_dev/L{layer}`" for layer in layers)
        charts = tuple(line(BY_LAYER.format(name), against=LAYER) for name in (CHANGED, INFORMATION))
        return self.view(
            "robust",
            "tags.kind = 'cell' and tags.largest = 'yes'",
            [Section("At the largest size of each family", charts, columns=1)],  # names of families are long
            columns=("params.`shift_family`", "params.`shift_size`", *changes, "metrics.`acc`", "params.`seed`"),
            table=True,
            metrics=self.on_cells,
            group_by="shift_family",
            order_by="params.`shift_family`",
        )

    def compared(self, families: dict[str, str]) -> View:
        """The same networks of all sweeps, one line for each sweep."""
        return _side_by_side(
            "compare",
            f"compare sweeps · {self.setting}",
            f"params.setting = '{self.setting}'",
            families,
            self.on_curves,
            setting=self.setting,
            group_by="sweep",
        )


def _side_by_side(
    question: str,
    title: str,
    runs: str,
    families: dict[str, str],
    metrics: frozenset[str],
    *,
    group_by: str,
    sweep: str = "",
    setting: str = "",
) -> View:
    """Networks as a whole, one line for each value of a param."""

    def charts(family: str, size: str) -> tuple[Chart, ...]:
        changes = line(BY_LAYER.format(changed_under(family)), against=LAYER)
        return changes, line(along(family, WHOLE_ACCURACY), against=size)

    learned = line(BY_LAYER.format(INFORMATION), against=LAYER), line("test_accuracy", log_x=True)
    return View(
        sweep=sweep,
        question=question,
        setting=setting,
        title=title,
        runs=f"tags.kind = 'curve' and params.layer = 'network' and {runs}",
        columns=(f"params.`{group_by}`", "params.`seed`"),
        sections=(Section("By layer, and over epochs", learned), *_each(families, charts)),
        metrics=metrics,
        group_by=group_by,
        order_by=f"params.`{group_by}`",
    )


def _each(families: dict[str, str], charts: Callable[[str, str], tuple[Chart, ...]], columns: int = 2) -> list[Section]:
    """A section for each family: charts of the family, and of the metric of its size."""
    return [
        Section(with_unit(family, metric), charts(family, size_of(family, metric)), columns)
        for family, metric in families.items()
    ]


def _vacuous(sweep: str, name: str, cells: str) -> View:
    """All shifted cells, those with the most vacuous bounds first."""
    numbers = ("n_vacuous", "slack_min", "largest change", "acc")
    return View(
        sweep=sweep,
        question="vacuous",
        setting="",
        title=f"{name} · {QUESTIONS['vacuous'].short}",
        runs=f"{cells} and params.shift_family != 'reference'",
        columns=("tags.`vacuous`", *BY_LAW, *(f"metrics.`{number}`" for number in numbers)),
        order_by="metrics.`n_vacuous`",
        ascending=False,
    )


def _overview(sweep: str, name: str, cells: str, metrics: frozenset[str]) -> View:
    pairs = scatter("deepest I_X_T", "acc"), scatter("deepest I_X_T", "deepest I_T_Y")
    axes = parallel(("beta", "tv"), ("largest change", "acc", "deepest I_X_T"))
    return View(
        sweep=sweep,
        question="overview",
        setting="",
        title=f"{name} · {QUESTIONS['overview'].short}",
        runs=cells,
        columns=(*BY_LAW, "metrics.`largest change`", "metrics.`acc`"),
        table=True,
        sections=(
            Section("Every cell at the last epoch, nats", pairs, height=500),
            Section("Noise, TV, change, accuracy, I(X;T)", (axes,), columns=1, height=500),
        ),
        metrics=metrics,
        order_by="params.`shift_family`",
    )


def _sweeps() -> View:
    params = tuple(f"params.`training.{name}`" for name in ("epochs", "learning_rate", "batch_size", "objective"))
    numbers = ("acc", "largest change", "largest tightness", "n_vacuous", "n_violated", "n_failed", "n_cells")
    axes = parallel(("training.epochs",), ("n_vacuous", "largest change", "acc"))
    return View(
        sweep="",
        question="sweeps",
        setting="",
        title=f"compare sweeps · {QUESTIONS['sweeps'].short}",
        runs="tags.kind = 'sweep'",
        columns=("params.`created`", *params, *(f"metrics.`{number}`" for number in numbers)),
        table=True,
        sections=(Section("Every sweep of the experiment", (axes,), columns=1, height=500),),
        metrics=frozenset(numbers),
        order_by="params.`created`",
        ascending=False,
    )
