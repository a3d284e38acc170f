"""What a run says of the time that is left."""

from flows.cli import console
from flows.cli.console import ConsoleObserver, Terminal


def test_what_is_left_goes_by_the_forecasts_and_not_by_the_number_of_units(monkeypatch, capsys):
    clock = iter([0.0, 90.0, 90.0, 95.0, 100.0, 100.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    observer = ConsoleObserver(Terminal())
    # Nine tenths of the work are one unit of ten: after it a tenth of the time so far is left, not nine times as much.
    observer.begin("information", 12, 2, {"dear": 9.0, **{f"cheap{k}": 1 / 9 for k in range(9)}})
    observer.advance("information", "dear", "computed", 90.0)
    assert "information  3/12, about 10 s left" in capsys.readouterr().out


def test_without_forecasts_it_goes_by_the_number(monkeypatch, capsys):
    clock = iter([0.0, 50.0, 50.0, 50.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    observer = ConsoleObserver(Terminal())
    observer.begin("laws", 4, 0, {})
    observer.advance("laws", "one", "computed", 50.0)
    assert "laws         1/4, about 150 s left" in capsys.readouterr().out
