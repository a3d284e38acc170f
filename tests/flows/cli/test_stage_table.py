"""The table of stages is whole on 80 columns, as in a terminal of that width and in every pipe."""

import pytest
from rich.text import Text

from flows.cli import stage_table
from flows.cli.console import Terminal
from flows.execution.plan import build_plan, survey
from flows.settings.load import load_config
from tasks.store.store import Store

HEADINGS = " ".join(stage_table.HEADINGS).split()


@pytest.mark.parametrize("sweep", ["szt", "calibration"])
@pytest.mark.parametrize("figure", ["0", "9999999"])
def test_nothing_is_cut_on_80_columns(sweep, figure, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    planned = build_plan(load_config(sweep, {}))
    monkeypatch.setattr(stage_table, "_figures", lambda states: [figure] * 8)
    Terminal().print(stage_table.stage_table(planned, survey(planned, Store(tmp_path))))
    head, _, *rows, _, total = capsys.readouterr().out.splitlines()
    assert head.split() == HEADINGS
    assert [row.split() for row in rows] == [[stage, *[figure] * 8] for stage, units in planned.stages.items() if units]
    assert total.split() == ["all", *[figure] * 8]


def test_a_long_name_of_a_stage_cuts_no_heading(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    planned = build_plan(load_config("szt", {}))
    states = survey(planned, Store(tmp_path))
    planned.stages["a_stage_of_somebody_else_with_a_very_long_name"] = planned.stages.pop("data")
    monkeypatch.setattr(stage_table, "_figures", lambda states: ["9999999"] * 8)
    Terminal().print(stage_table.stage_table(planned, states))
    assert capsys.readouterr().out.splitlines()[0].split() == HEADINGS


def test_what_is_left_is_counted_by_stage_and_for_all_with_units(tmp_path):
    planned = build_plan(load_config("szt", {}))
    states = survey(planned, Store(tmp_path))
    *counts, seconds, size = stage_table._figures(states)
    units, *by_state = map(int, counts)
    assert units == len(states) == sum(by_state)
    assert seconds.split()[1] in ("s", "min", "h") and size.split()[1] in ("kB", "MB", "GB")


@pytest.mark.parametrize(
    ("heading", "figure", "style"),
    [("failed", "3", "bold red"), ("damaged", "1", "bold red"), ("stale", "2", "yellow"), ("failed", "0", "dim")],
)
def test_what_needs_somebody_stands_out(heading, figure, style):
    assert stage_table._styled(heading, figure) == Text(figure, style)
    assert stage_table._styled(heading, figure).style == style
