"""The table of stages is whole on 80 columns, as in a terminal of that width and in every pipe."""

import pytest

from flows.cli import stage_table
from flows.cli.console import Terminal
from flows.execution.plan import build_plan, survey
from flows.settings.load import load_config
from tasks.store.store import Store


@pytest.mark.parametrize("sweep", ["szt", "calibration"])
@pytest.mark.parametrize("figure", ["0", "9999999"])
def test_nothing_is_cut_on_80_columns(sweep, figure, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    planned = build_plan(load_config(sweep, {}))
    monkeypatch.setattr(stage_table, "_figures", lambda states: [figure] * 8)
    Terminal().print(stage_table.stage_table(planned, survey(planned, Store(tmp_path))))
    head, _, *rows, _, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["stage", "units", *stage_table.STATES, "core", "s", "MB"]
    assert [row.split() for row in rows] == [[stage, *[figure] * 8] for stage, units in planned.stages.items() if units]
    assert total.split() == ["all", *[figure] * 8]


def test_what_is_left_is_counted_by_stage_and_for_all(tmp_path):
    planned = build_plan(load_config("szt", {}))
    states = survey(planned, Store(tmp_path))
    units, *counts, seconds, megabytes = map(int, stage_table._figures(states))
    assert units == len(states) == sum(counts) and seconds > 0 and megabytes > 0
