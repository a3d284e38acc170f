"""What is left of a run goes by the forecasts of its units, corrected by how true these were."""

import pytest
from tiny import tiny

from flows.execution import forecast as forecasts
from flows.execution.forecast import COMPILE_S, START_S, TRACKING_CELL_S, TRACKING_S, Forecast, forecast, makespan
from flows.execution.plan import build_plan, survey
from tasks.store.store import Store


def costs(n: int, each: float) -> dict[str, float]:
    return {str(k): each for k in range(n)}


def test_a_stage_takes_as_long_as_its_longest_unit_or_its_share_of_the_workers():
    assert makespan([1.0] * 8, 4) == 2.0
    assert makespan([9.0, 1.0, 1.0], 4) == 9.0
    assert makespan([], 4) == 0.0


def test_the_whole_is_the_start_and_every_stage():
    assert Forecast({"cells": costs(10, 2.0), "report": costs(1, 5.0)}, workers=2, start=8.0).total == 8 + 10 + 5


def test_forecasts_that_hold_count_down_to_nothing():
    known = Forecast({"cells": costs(10, 20.0), "report": costs(1, 30.0)}, workers=1)
    known.begin("cells", 10, costs(10, 20.0), now=0.0)
    for k in range(10):
        assert known.stage_left(20.0 * k) == pytest.approx(200 - 20.0 * k)
        assert known.run_left(20.0 * k) == pytest.approx(230 - 20.0 * k)
        assert known.stage_left(20.0 * k + 5) == pytest.approx(195 - 20.0 * k)
        known.ended(str(k), "computed", 20.0, now=20.0 * (k + 1))
    known.end()
    assert known.run_left(200.0) == pytest.approx(30)


def test_forecasts_that_are_wrong_are_corrected_for_this_stage_and_the_later_ones():
    known = Forecast({"cells": costs(20, 100.0), "report": costs(1, 100.0)}, workers=1)
    known.begin("cells", 20, costs(20, 100.0), now=0.0)
    for k in range(10):  # each takes three times as long as was thought
        known.ended(str(k), "computed", 300.0, now=300.0 * (k + 1))
    assert known.stage_left(3000.0) == pytest.approx(3 * 1000.0, rel=0.05)
    assert known.run_left(3000.0) == pytest.approx(3 * 1100.0, rel=0.05)


def test_the_dearest_come_first_so_that_units_are_not_counted():
    # Nine tenths of the work are one unit of ten: a tenth of the time so far is left after it.
    cells = {"dear": 90.0, **{f"cheap{k}": 10 / 9 for k in range(9)}}
    known = Forecast({"cells": cells}, workers=1)
    known.begin("cells", 10, cells, now=0.0)
    known.ended("dear", "computed", 90.0, now=90.0)
    assert known.stage_left(90.0) == pytest.approx(10.0)


def test_what_other_workers_have_in_hand_is_half_done():
    known = Forecast({"cells": costs(9, 10.0)}, workers=4)
    known.begin("cells", 9, costs(9, 10.0), now=0.0)
    known.ended("0", "computed", 10.0, now=10.0)
    assert known.stage_left(10.0) == pytest.approx((3 * 5.0 + 5 * 10.0) / 4)


@pytest.mark.parametrize("state", ["failed", "reused"])
def test_a_unit_that_fails_at_once_or_was_found_says_nothing_of_the_others(state):
    known = Forecast({"cells": costs(2, 100.0)}, workers=1)
    known.begin("cells", 2, costs(2, 100.0), now=0.0)
    known.ended("0", state, 0.0, now=0.1)
    assert known.stage_left(0.1) == pytest.approx(100.0)


def test_one_long_compilation_does_not_speak_for_all():
    known = Forecast({"cells": costs(100, 1.0)}, workers=1)
    known.begin("cells", 100, costs(100, 1.0), now=0.0)
    known.ended("0", "computed", 45.0, now=45.0)
    assert known.stage_left(45.0) < 0.25 * 45 * 99


def test_without_forecasts_it_goes_by_the_number_and_before_the_first_nothing_is_known():
    known = Forecast({"cells": costs(4, 0.0)}, workers=1)
    known.begin("cells", 4, costs(4, 0.0), now=0.0)
    assert known.stage_left(1.0) is None and known.run_left(1.0) is None
    known.ended("0", "computed", 50.0, now=50.0)
    assert known.stage_left(50.0) == pytest.approx(150.0)


def test_a_late_stage_is_never_less_than_nothing():
    known = Forecast({"report": costs(1, 5.0)}, workers=1)
    known.begin("report", 1, costs(1, 5.0), now=0.0)
    assert known.stage_left(60.0) == known.run_left(60.0) == 0.0


@pytest.fixture
def planned(tmp_path, monkeypatch):
    monkeypatch.setattr(forecasts, "compiled", lambda: True)
    plan = build_plan(tiny())
    return plan, survey(plan, Store(tmp_path))


def test_start_report_and_tracking_are_part_of_the_forecast(planned, monkeypatch):
    plan, states = planned
    work = sum(makespan([unit.cost().seconds for unit in units], 2) for units in plan.stages.values())
    assert work > plan.stages["report"][0].cost().seconds > 0
    tracking = TRACKING_S + TRACKING_CELL_S * len(plan.stages["information"])
    whole = forecast(plan, states, plan.study.stages, workers=2, servers=True).total
    assert whole == pytest.approx(START_S + work + tracking)
    monkeypatch.setattr(forecasts, "compiled", lambda: False)
    assert forecast(plan, states, plan.study.stages, 2, servers=True).total == pytest.approx(whole + COMPILE_S)


def test_what_is_not_asked_for_takes_no_time(planned):
    plan, states = planned
    alone = forecast(plan, states, ["data"], workers=0, servers=False)
    assert alone.total == plan.stages["data"][0].cost().seconds


def test_a_finished_sweep_has_only_its_tracking_left(finished_once):
    plan = build_plan(tiny())
    states = survey(plan, Store(finished_once / "workspace"))
    assert forecast(plan, states, plan.study.stages, workers=2, servers=False).total == TRACKING_S
