"""Preset views in MLflow's pages, as plain data: one click, one question answered.

A view is an experiment tag that MLflow's own "share" button would write. Its format is not documented, so MLflow is
pinned to the minor version this was tried with; should a later one not understand it, a page opens without its charts
and no number is lost.
"""

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

TAG = "mlflow.sharedViewState."
# Where MLflow puts the time of sharing, in ms, stand a constant and a part of a hash: a view keeps its key, and its
# links, from sync to sync, and views that people share themselves are told from ours.
OURS = "1700000"
SHARED_AT = 1_700_000_000_000
KEY = 12  # digits of a view's hash in its key
RUN_NAME = "attributes.`Run Name`"
WIDTHS = {RUN_NAME: 320, "params.`shift_family`": 160, "tags.`vacuous`": 130}


Chart = dict[str, Any]


class Question(NamedTuple):
    """What a kind of view answers.

    Attributes:
        short: the text of a link where space is short.
        answers: in one line.
    """

    short: str
    answers: str


LEGEND = 4  # lines that a legend names in half a page: MLflow gives it two rows, and hides the rest


def columns_for(lines: int) -> int:
    """How many charts of so many lines may stand side by side, each with its whole legend."""
    return 2 if lines <= LEGEND else 1


class Section(NamedTuple):
    """Charts beside each other under one heading, as wide as the page allows for `columns` of them."""

    title: str
    charts: tuple[Chart, ...]
    columns: int = 2
    height: int = 400


@dataclass(frozen=True)
class View:
    """A saved page: which runs, which columns, which charts.

    Attributes:
        sweep: whose it is; empty for one that compares all of the experiment.
        question: of the study's questions.
        setting: for which networks, where not for all: "b0.1".
        title: in MLflow's list of views.
        runs: MLflow's search filter.
        sections: of charts; none for a plain table.
        table: whether the page is of use as a table too, for which a second link is made.
        metrics: names of all metrics on these runs. MLflow puts those without a chart into sections of its own: we name
            them first, to have them closed and below ours. Open they take seconds to draw.
        group_by: the param over which runs are averaged into one line each; none for one line a run.
    """

    sweep: str
    question: str
    setting: str
    title: str
    runs: str
    columns: tuple[str, ...]
    sections: tuple[Section, ...] = ()
    table: bool = False
    metrics: frozenset[str] = frozenset()
    group_by: str | None = None
    order_by: str = "params.`beta`"
    ascending: bool = True

    @property
    def digits(self) -> str:
        """What identifies the view for good."""
        name = json.dumps([self.sweep, self.question, self.setting])
        digest = hashlib.sha256(name.encode()).hexdigest()
        return f"{int(digest[6:12], 16) % 10**6:06d}{digest[:6]}"

    def tag(self) -> tuple[str, str]:
        """Name and value of the experiment tag that holds this view."""
        state = json.dumps(self._state(), separators=(",", ":")).encode()
        value = {
            "name": self.title,
            "createdAt": SHARED_AT,
            "updatedAt": SHARED_AT,
            "state": "deflate;" + base64.b64encode(zlib.compress(state, 9)).decode(),
        }
        return tag_of(self.digits), json.dumps(value)

    def _state(self) -> dict:
        plain = {"isReordered": False, "deleted": False, "isGenerated": False}
        charts = [(section.title, chart) for section in self.sections for chart in section.charts]
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
            "runListHidden": bool(self.sections),  # charts are wider, and have legends
            "isAccordionReordered": True,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "groupBy": {"aggregateFunction": "average", "groupByKeys": group} if self.group_by else None,
            "groupsExpanded": {},
            "autoRefreshEnabled": False,
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
            "compareRunSections": [
                {"uuid": f"section {section.title}", "name": section.title, "display": True}
                | {"columns": section.columns, "cardHeight": section.height}
                | plain
                for section in self.sections
            ]
            + [{"uuid": f"section {title}", "name": title, "display": False} | plain for title in others],
            "compareRunCharts": [
                {
                    **{"uuid": f"chart {index}", "metricSectionId": f"section {title}"},
                    **{"runsCountToCompare": 100, "deleted": False, "isGenerated": False},
                    **chart,
                }
                for index, (title, chart) in enumerate(charts)
            ],
        }


def tag_of(digits: str) -> str:
    """The experiment tag of a view."""
    return f"{TAG}{OURS}{digits}"


def address(experiment: str, digits: str, table: bool = False) -> str:
    """A view's address within MLflow's pages."""
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    return f"{page}&compareRunsMode={'TABLE' if table else 'CHART'}&viewStateShareKey={OURS}{digits}"


def line(*metrics: str, against: str | None = None, log_x: bool = False, log_y: bool = False) -> Chart:
    """A line chart of metrics over their step, or over another metric logged at the same steps.

    It is titled by the names of the metrics: those that a chart shows are words with a unit.
    """
    return {
        **{"type": "LINE", "metricKey": metrics[0], "selectedMetricKeys": list(metrics)},
        **{"xAxisKey": "metric" if against else "step", "selectedXAxisMetricKey": against or ""},
        **{"xAxisScaleType": "log" if log_x else "linear", "scaleType": "log" if log_y else "linear", "range": {}},
        **{"yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False, "lineSmoothness": 0},
        **{"useGlobalXaxisKey": False, "useGlobalLineSmoothing": True},
    }


def scatter(x: str, y: str) -> Chart:
    return {"type": "SCATTER", "xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}


def parallel(params: tuple[str, ...], metrics: tuple[str, ...]) -> Chart:
    """Parallel coordinates: few axes, of short names, or their labels overlap. The last one gives the colours."""
    selected = {"selectedParams": list(params), "selectedMetrics": list(metrics)}
    return {"type": "PARALLEL", "showAllRuns": True, **selected}
