"""The preset views of a shift sweep in MLflow's pages, and how to read its numbers there."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ib_core.bounds.theorems import distances
from ib_core.estimate import IN_WORDS
from tasks.sweep.sizes import with_unit
from tasks.sweep.tracking.points import LAYER, bound_name, safe, unit
from tasks.tracking.views import Chart, Question, Section, View, line, parallel, scatter

BY_LAW = tuple(f"params.`{name}`" for name in ("setting", "shift_family", "shift_size", "seed"))
QUESTIONS = {
    "robust": Question(
        "most robust layer", "Whose I(X;T) changes least, relative to the clean value, at each family's largest size?"
    ),
    "shift": Question("against the shift", "How does I(X;T) of each layer move as the shift grows?"),
    "bounds": Question(
        "change and bound", "How far is the smallest bound from the measured change, and how tight is it?"
    ),
    "accuracy": Question("accuracy and I(X;T)", "Does accuracy fall where the information in a layer changes?"),
    "training": Question(
        "training",
        "When does each layer gain or lose information about input and label, and what is learned?",
    ),
    "vacuous": Question(
        "vacuous bounds", "Where does even the smallest bound say no more than the trivial one, and in which layers?"
    ),
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
* `I_X_T_low` to `I_X_T_high` is a **bracket**: a lower and an upper end from independent passes of the network,
{IN_WORDS} outwards; `I_X_T` is its middle. A narrow bracket means a number one can trust.
* `acc` is the share of inputs that the noisy network reads correctly under the law of the run, `acc_reference` under
the clean law. `train_accuracy` and `test_accuracy` are those of training, `train_clean_accuracy` is without the noise.
* `dI_X_T` is the middle of the bracket of the change from the clean law to the shifted one, `rel_dev` its size divided
by the clean value.
* {", ".join(f"`{bound_name(each)}`" for each in distances())}: what the best theorem of a distance allows for
that change, `slack_min` the smallest bound minus change. A bound is **vacuous** where it says no more than the trivial
one (ln N, or the layer's capacity).
* `change` is the size of the change, `tightness` that over the smallest bound: 1 where nothing is left, 0.01 where the
bound allows a hundred times what happened.
* Kinds of runs, by the tag `kind`: a **cell** is one network under one law (step = epoch), a **curve** one layer of one
network, or the network as a whole (step = epoch, and index of the size in metrics that begin with a family), the
**sweep** holds report, figures, tables and checkpoints.
* Lines in grouped charts are averages over seeds. Intervals over seeds are in the report's figures.
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
    found: list[View] = []
    for setting in kinds:
        where = _Where(sweep, name, setting, frozenset(metrics))
        shifted = [where.robust(layers), where.shift(families), where.bounds(families), where.accuracy(families)]
        found += [*(shifted if families else []), where.training(), where.compared(families)]
    cells = f"tags.sweep = '{sweep}' and tags.kind = 'cell'"
    vacuous = [_vacuous(sweep, name, cells)] if families else []
    return [*found, *vacuous, _overview(sweep, name, cells, layers[-1], frozenset(metrics)), _sweeps()]


class _Where(NamedTuple):
    """The networks of one setting in one sweep, and the views of them."""

    sweep: str
    name: str
    setting: str
    metrics: frozenset[str]

    @property
    def on_curves(self) -> frozenset[str]:
        return frozenset(name for name in self.metrics if "/L" not in name)

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

    def by_layer(self, question: str, sections: list[Section]) -> View:
        """Curves, one line for each layer."""
        columns = ("params.`layer`", "params.`seed`")
        shown = {"metrics": self.on_curves, "group_by": "layer", "order_by": "params.`layer`"}
        return self.view(question, "tags.kind = 'curve'", sections, columns=columns, **shown)

    def shift(self, families: dict[str, str]) -> View:
        def charts(family: str, size: str) -> tuple[Chart, ...]:
            return (
                line("I(X;T) in nats, by layer", f"{family}/I_X_T", against=size),
                line("|change of I(X;T)| / I(X;T), by layer", f"{family}/rel_dev", against=size),
            )

        return self.by_layer("shift", _each(families, charts))

    def bounds(self, families: dict[str, str]) -> View:
        def charts(family: str, size: str) -> tuple[Chart, ...]:
            both = f"{family}/change", f"{family}/bound"
            return (
                line("|change of I(X;T)|, solid, and smallest bound, dashed, nats", *both, against=size, log_y=True),
                line("tightness: |change| / smallest bound", f"{family}/tightness", against=size),
            )

        return self.by_layer("bounds", _each(families, charts))

    def accuracy(self, families: dict[str, str]) -> View:
        def charts(family: str, size: str) -> tuple[Chart, ...]:
            return (
                line("accuracy against I(X;T) in nats, by layer", f"{family}/acc", against=f"{family}/I_X_T"),
                line("accuracy against the shift", f"{family}/acc", against=size),
            )

        return self.by_layer("accuracy", _each(families, charts))

    def training(self) -> View:
        """Over epochs, on a logarithmic axis."""
        information = (
            line("I(X;T) in nats, by layer", "I_X_T", log_x=True),
            line("I(T;Y) in nats, by layer", "I_T_Y", log_x=True),
        )
        learned = (
            line("accuracy with noise: training, test", "train_accuracy", "test_accuracy", log_x=True),
            line("loss in nats: training, test", "train_loss", "test_loss", log_x=True),
        )
        return self.by_layer(
            "training", [Section("Information over epochs", information), Section("What is learned", learned)]
        )

    def robust(self, layers: list[int]) -> View:
        charts = (
            line("|change of I(X;T)| / I(X;T), by family", "by_layer/rel_dev", against=LAYER),
            line("I(X;T) in nats, by family", "by_layer/I_X_T", against=LAYER),
        )
        changes = tuple(f"metrics.`rel_dev/L{layer}`" for layer in layers)
        return self.view(
            "robust",
            "tags.kind = 'cell' and tags.largest = 'yes'",
            [Section("At the largest size of each family", charts, height=500)],
            columns=("params.`shift_family`", "params.`shift_size`", *changes, "metrics.`acc`", "params.`seed`"),
            table=True,
            metrics=frozenset(name for name in self.metrics if "/L" in name or "/" not in name),
            group_by="shift_family",
            order_by="params.`shift_family`",
        )

    def compared(self, families: dict[str, str]) -> View:
        """Networks as a whole, one line for each sweep."""

        def charts(family: str, size: str) -> tuple[Chart, ...]:
            changes = line("|change of I(X;T)| / I(X;T), largest size", f"by_layer/{family}", against=LAYER)
            return changes, line("accuracy against the shift", f"{family}/acc", against=size)

        learned = (
            line("I(X;T) in nats, unshifted", "by_layer/I_X_T", against=LAYER),
            line("accuracy with noise, test part", "test_accuracy", log_x=True),
        )
        return View(
            sweep="",
            question="compare",
            setting=self.setting,
            title=f"compare sweeps · {self.setting}",
            runs=f"tags.kind = 'curve' and params.layer = 'network' and params.setting = '{self.setting}'",
            columns=("params.`sweep`", "params.`seed`"),
            sections=(Section("By layer, and over epochs", learned), *_each(families, charts)),
            metrics=self.on_curves,
            group_by="sweep",
            order_by="params.`sweep`",
        )


def _each(families: dict[str, str], charts: Callable[[str, str], tuple[Chart, ...]]) -> list[Section]:
    """A section for each family: charts of the family, as its metrics are called, and of the metric of its size."""
    return [
        Section(with_unit(family, metric), charts(safe(family), f"{safe(family)}/{unit(family, metric)}"))
        for family, metric in families.items()
    ]


def _vacuous(sweep: str, name: str, cells: str) -> View:
    numbers = ("n_vacuous", "slack_min", "rel_dev_max", "acc")
    return View(
        sweep=sweep,
        question="vacuous",
        setting="",
        title=f"{name} · {QUESTIONS['vacuous'].short}",
        runs=f"{cells} and tags.vacuous != 'none'",
        columns=(*BY_LAW, "tags.`vacuous`", *(f"metrics.`{number}`" for number in numbers)),
        table=True,
        order_by="metrics.`n_vacuous`",
        ascending=False,
    )


def _overview(sweep: str, name: str, cells: str, deepest: int, metrics: frozenset[str]) -> View:
    information, label = f"I_X_T/L{deepest}", f"I_T_Y/L{deepest}"
    words = f"noise, TV, I(X;T_{deepest}) in nats, accuracy, largest |change| / I(X;T)"
    axes = parallel(words, ("beta", "tv"), (information, "acc", "rel_dev_max"))
    pairs = (
        scatter(f"accuracy against I(X;T_{deepest}) in nats", information, "acc"),
        scatter(f"I(T_{deepest};Y) against I(X;T_{deepest}), nats", information, label),
    )
    return View(
        sweep=sweep,
        question="overview",
        setting="",
        title=f"{name} · {QUESTIONS['overview'].short}",
        runs=cells,
        columns=(*BY_LAW, "metrics.`rel_dev_max`", "metrics.`acc`"),
        table=True,
        sections=(
            Section("Every network under every law, at the last epoch", (axes,), columns=1),
            Section("Two by two", pairs),
        ),
        metrics=metrics,
        order_by="params.`shift_family`",
    )


def _sweeps() -> View:
    params = tuple(f"params.`training.{name}`" for name in ("epochs", "learning_rate", "batch_size", "objective"))
    numbers = ("acc", "rel_dev_max", "tightness_max", "n_vacuous", "n_violated", "n_failed", "n_cells")
    axes = parallel(
        "epochs, vacuous bounds, largest tightness, largest |change| / I(X;T), accuracy",
        ("training.epochs",),
        ("n_vacuous", "tightness_max", "rel_dev_max", "acc"),
    )
    return View(
        sweep="",
        question="sweeps",
        setting="",
        title=f"compare sweeps · {QUESTIONS['sweeps'].short}",
        runs="tags.kind = 'sweep'",
        columns=("params.`created`", *params, *(f"metrics.`{number}`" for number in numbers)),
        table=True,
        sections=(Section("Every sweep of the experiment", (axes,), columns=1),),
        order_by="params.`created`",
        ascending=False,
    )
