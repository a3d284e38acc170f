"""What a run shows on its page: keys that Prefect accepts, a bar and a table; and nothing there stops it."""

import logging
from types import SimpleNamespace
from uuid import uuid4

import pytest


@pytest.mark.parametrize(("parts", "key"), [(("SZT demo", "I(X;T)"), "szt-demo-i-x-t"), (("a_b", "c"), "a-b-c")])
def test_artifact_keys_are_what_prefect_accepts(prefect_page, parts, key):
    assert prefect_page.artifact_key(*parts) == key


@pytest.fixture
def page(prefect_page, monkeypatch):
    """What an observer shows, in the place of the artifacts on a server."""
    shown = []
    monkeypatch.setattr(
        prefect_page,
        "create_progress_artifact",
        lambda percent, key, text: shown.append((key, percent, text)) or uuid4(),
    )
    monkeypatch.setattr(
        prefect_page, "update_progress_artifact", lambda bar, percent, text: shown.append(("update", percent, text))
    )
    monkeypatch.setattr(prefect_page, "create_table_artifact", lambda rows, key, text: shown.append((key, rows, text)))
    return shown


def test_a_stage_shows_a_bar_and_a_table(prefect_page, page):
    observer = prefect_page.PrefectObserver("SZT")
    rows = [
        {"unit": str(i), "state": "reused" if i else "failed", "seconds": float("inf"), "message": "no"}
        for i in range(600)
    ]
    observer.begin("information", 600, 598, {})
    observer.advance("information", "1", "computed", 0.1)  # at most one update in two seconds
    observer.end("information", rows)
    bar, update, (key, table, text) = page
    assert bar[0] == "szt-information-progress" and bar[1] == pytest.approx(100 * 598 / 600)
    assert update == ("update", pytest.approx(100 * 599 / 600), "599 of 600 units, 1 failed")
    assert (key, len(table)) == ("szt-information-units", prefect_page.TABLE_ROWS)
    assert table[0] == {"unit": "0", "state": "failed", "seconds": "inf", "message": "no"}
    assert text == "Units of information (the first 500 of 600 rows)"


def test_a_page_that_fails_once_is_left_alone_and_the_run_goes_on(prefect_page, page, monkeypatch):
    def refuse(*_):
        raise ConnectionError("server gone")

    monkeypatch.setattr(prefect_page, "create_progress_artifact", refuse)
    observer = prefect_page.PrefectObserver("SZT")
    observer.begin("data", 1, 0, {})
    observer.advance("data", "0", "computed", 0.1)
    observer.end("data", [{"unit": "0", "state": "computed"}])
    observer.message("outside a run there is no page")
    assert page == []


def test_the_log_says_of_each_stage_what_was_made_and_why_a_unit_failed(prefect_page, page, monkeypatch):
    lines = []
    logger = SimpleNamespace(log=lambda level, text: lines.append((logging.getLevelName(level), text)))
    monkeypatch.setattr(prefect_page, "get_run_logger", lambda: logger)
    clock = iter([0.0, 100.0, 130.0])
    monkeypatch.setattr(prefect_page.time, "monotonic", lambda: next(clock))
    observer = prefect_page.PrefectObserver("SZT")
    rows = [{"unit": f"cell{k}", "state": "computed", "seconds": 1.0, "message": ""} for k in range(3)]
    rows += [{"unit": "old", "state": "reused", "seconds": 0.0, "message": ""}]
    rows += [{"unit": "bad", "state": "failed", "seconds": 2.0, "message": "ValueError: no"}]
    observer.begin("information", 5, 1, {})
    observer.end("information", rows)
    assert lines == [
        ("INFO", "information: 3 computed, 1 reused, 1 failed in 2 min 10 s"),
        ("ERROR", "information bad failed: ValueError: no"),
    ]
