"""Preset views in MLflow's pages and the page that links to them, as plain data: one click, one question answered.

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


def line(metric: str, against: str | None = None, log: bool = False) -> dict:
    """A line chart of a metric over its step, or over another metric logged at the same steps."""
    return {
        **{"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric]},
        **{"xAxisKey": "metric" if against else "step", "selectedXAxisMetricKey": against or ""},
        **{"xAxisScaleType": "log" if log else "linear", "scaleType": "linear", "range": {}},
        **{"yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False, "lineSmoothness": 0},
        **{"useGlobalXaxisKey": False, "useGlobalLineSmoothing": True},
    }


def bar(metric: str) -> dict:
    return {"type": "BAR", "metricKey": metric}


def scatter(x: str, y: str) -> dict:
    return {"type": "SCATTER", "xaxis": axis(x), "yaxis": axis(y)}


def axis(metric: str) -> dict:
    return {"key": metric, "type": "METRIC"}


def landing_page(
    experiment: str, sweep_run: str, views: list[View], title: str, facts: dict[str, str], reading: str
) -> str:
    """The experiment's note, in Markdown: a link for each question, what was measured, how to read the numbers.

    MLflow shows the first line of a note and folds the rest: the links are that line.
    """
    report = f"#/experiments/{experiment}/runs/{sweep_run}/artifacts/report.html?workflowType=machine_learning"
    links = [("report", report)] + [(view.short, view.address(experiment)) for view in views]
    return "\n".join(
        [
            " · ".join(f"[{title}]({address})" for title, address in links),
            "",
            f"# {title}",
            "",
            "| Click | It answers |",
            "|---|---|",
            f"| [Report]({report}) | Everything at a glance: figures, tables and how to read them. |",
            *(f"| [{view.title}]({view.address(experiment)}) | {view.answers} |" for view in views),
            "",
            "| In this sweep | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in facts.items()),
            "",
            reading,
        ]
    )
