"""The preset views of a sweep in MLflow's pages, as plain data: one click, one question answered.

A view is an experiment tag that MLflow's own "share" button would write. Its format is not documented, so MLflow is
pinned to the minor version this was tried with; should a later one not understand it, a page opens without its charts
and no number is lost.
"""

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, field

TAG = "mlflow.sharedViewState."
# A constant where MLflow puts the time of sharing: a view keeps its key, and its links, from sync to sync.
STAMP = 1_700_000_000_000
RUN_NAME = "attributes.`Run Name`"
WIDTHS = {RUN_NAME: 280, "params.`shift_family`": 150, "tags.`vacuous`": 130}

READING = """\
## How to read the numbers

* All information is in **nats** (1 nat = 1.443 bits). `L1` is the first hidden layer.
* `I_X_T_low` to `I_X_T_high` is a **bracket**: the held-out estimate is a lower bound in expectation, the plug-in
estimate an upper one, each widened by three standard errors. A narrow bracket means a number one can trust.
* `dI_X_T` is the change from the clean law to the shifted one, `rel_dev` its size divided by the clean value.
* `bound_tv`, `bound_kl`, `bound_wasserstein`: what the best theorem of a distance allows for that change, `slack_min`
the smallest bound minus change. A bound is **vacuous** where it says no more than the trivial one (ln N, or the layer's
capacity).
* Kinds of runs, by the tag `kind`: a **cell** is one network under one law (step = epoch), a **curve** one network
along one family of shifts (step = index of the size), the **sweep** holds report, figures, tables and checkpoints.
* Lines in grouped charts are averages over seeds. Intervals over seeds are in the report's figures.
"""


@dataclass(frozen=True)
class View:
    """A saved page: which runs, which columns, which charts.

    Attributes:
        slug: identifies the view for good.
        short: the text of its link where space is short.
        answers: the question in one line.
        runs: MLflow's search filter.
        charts: section's title -> chart cards; none for a plain table.
        metrics: names of all metrics on these runs. MLflow puts those without a chart into sections of its own: we name
            them first, to have them closed and below ours. Open they take seconds to draw.
        group_by: the param over which runs are averaged into one line each; none for one line a run.
    """

    slug: str
    short: str
    title: str
    answers: str
    runs: str
    columns: tuple[str, ...]
    charts: dict[str, tuple[dict, ...]] = field(default_factory=dict)
    metrics: frozenset[str] = frozenset()
    group_by: str | None = None
    order_by: str = "params.`beta`"
    ascending: bool = True

    @property
    def key(self) -> str:
        """13 digits and 6 characters, as MLflow makes them."""
        return f"{STAMP}{hashlib.sha256(self.slug.encode()).hexdigest()[:6]}"

    def address(self, experiment: str) -> str:
        """The page's address within MLflow's pages."""
        mode = "CHART" if self.charts else "TABLE"
        page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
        return f"{page}&compareRunsMode={mode}&viewStateShareKey={self.key}"

    def tag(self) -> tuple[str, str]:
        """Name and value of the experiment tag that holds this view."""
        state = json.dumps(self._state(), separators=(",", ":")).encode()
        value = {
            "name": self.title,
            "createdAt": STAMP,
            "updatedAt": STAMP,
            "state": "deflate;" + base64.b64encode(zlib.compress(state, 9)).decode(),
        }
        return TAG + self.key, json.dumps(value)

    def _state(self) -> dict:
        plain = {"isReordered": False, "deleted": False, "isGenerated": False}
        charts = [(title, chart) for title, cards in self.charts.items() for chart in cards]
        left = self.metrics - {chart.get("metricKey") for _, chart in charts}
        others = sorted({name.rpartition("/")[0] or "Model metrics" for name in left}) if charts else []
        group = [{"mode": "param", "groupByData": self.group_by}]
        return {
            "searchFilter": self.runs,
            "orderByKey": self.order_by,
            "orderByAsc": self.ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": list(self.columns),
            "columnOrder": [RUN_NAME, *self.columns],
            "columnWidths": WIDTHS,
            "runsHidden": [],
            "runsHiddenMode": "SHOW_ALL",
            "runsPinned": [],
            "viewMaximized": False,
            "runListHidden": False,
            "isAccordionReordered": True,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "groupBy": {"aggregateFunction": "average", "groupByKeys": group} if self.group_by else None,
            "groupsExpanded": {},
            "autoRefreshEnabled": False,
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
            "compareRunSections": [
                {"uuid": f"{self.slug}-{title}", "name": title, "display": title in self.charts} | plain
                for title in [*self.charts, *others]
            ],
            "compareRunCharts": [
                {
                    **{"uuid": f"{self.slug}-{index}", "metricSectionId": f"{self.slug}-{title}"},
                    **{"runsCountToCompare": 100, "deleted": False, "isGenerated": False},
                    **chart,
                }
                for index, (title, chart) in enumerate(charts)
            ],
        }


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
                    _line(name, against="shift_size") for name in (*_by_layer("curve_I_X_T", layers), "curve_acc")
                ),
                "|change of I(X;T)| / I(X;T) against the size of the shift": tuple(
                    _line(name, against="shift_size") for name in _by_layer("curve_rel_dev", layers)
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
                _line(name, log=True) for name in (*_by_layer("I_X_T", layers), "acc")
            ),
            "I(T;Y) and loss over epochs": tuple(
                _line(name, log=True) for name in (*_by_layer("I_T_Y", layers), "test_loss")
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
            "Against the layer (step)": (_line("by_layer/rel_dev"), _line("by_layer/I_X_T")),
            "|change of I(X;T)| / I(X;T)": tuple(_bar(name) for name in _by_layer("rel_dev", layers)),
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
                _scatter(f"I_X_T/{deepest}", f"I_T_Y/{deepest}"),
                _scatter("rel_dev_max", "slack_min"),
                {
                    **{"type": "CONTOUR", "xaxis": {"key": "beta", "type": "PARAM"}},
                    **{"yaxis": {"key": "shift_size_index", "type": "PARAM"}, "zaxis": _axis("rel_dev_max")},
                },
            )
        },
        metrics=on_cells,
        order_by="params.`shift_family`",
    )
    return [*along, training, robust, vacuous, overview]


def _by_layer(metric: str, layers: list[int]) -> tuple[str, ...]:
    return tuple(f"{metric}/L{layer}" for layer in layers)


def _line(metric: str, against: str | None = None, log: bool = False) -> dict:
    """A line chart of a metric over its step, or over another metric logged at the same steps."""
    return {
        **{"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric]},
        **{"xAxisKey": "metric" if against else "step", "selectedXAxisMetricKey": against or ""},
        **{"xAxisScaleType": "log" if log else "linear", "scaleType": "linear", "range": {}},
        **{"yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False, "lineSmoothness": 0},
        **{"useGlobalXaxisKey": False, "useGlobalLineSmoothing": True},
    }


def _bar(metric: str) -> dict:
    return {"type": "BAR", "metricKey": metric}


def _scatter(x: str, y: str) -> dict:
    return {"type": "SCATTER", "xaxis": _axis(x), "yaxis": _axis(y)}


def _axis(metric: str) -> dict:
    return {"key": metric, "type": "METRIC"}


def landing_page(experiment: str, sweep: str, sweep_run: str, views: list[View], facts: dict[str, str]) -> str:
    """The experiment's note, in Markdown: a link for each question, what was measured, how to read the numbers.

    MLflow shows the first line of a note and folds the rest: the links are that line.
    """
    report = f"#/experiments/{experiment}/runs/{sweep_run}/artifacts/report.html?workflowType=machine_learning"
    links = [("report", report)] + [(view.short, view.address(experiment)) for view in views]
    return "\n".join(
        [
            " · ".join(f"[{title}]({address})" for title, address in links),
            "",
            f"# How information reacts to a shifted input law: {sweep}",
            "",
            "| Click | It answers |",
            "|---|---|",
            f"| [Report]({report}) | Everything at a glance: figures with brackets, bounds, the information plane. |",
            *(f"| [{view.title}]({view.address(experiment)}) | {view.answers} |" for view in views),
            "",
            "| In this sweep | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            READING,
        ]
    )
