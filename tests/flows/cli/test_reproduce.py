"""Every study of the literature in small: its sweeps run, its page has claims with verdicts, and its figures."""

from dataclasses import replace

import pandas as pd
import pytest
from strokes import write_strokes

from flows.cli import reproducing
from flows.cli.cli import main
from tasks.reproduction.reproduction import REPRODUCTIONS

DIGITS = {"mnist", "mnist-cnn", "robust-mnist"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder like MNIST's."""
    return write_strokes(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Shared, as studies share results."""
    return tmp_path_factory.mktemp("reproductions")


def command(monkeypatch, capsys, *words):
    """What it prints, and its exit code."""
    monkeypatch.setattr("sys.argv", ["ibshift", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    return shown.out + shown.err, ended.value.code


@pytest.mark.slow
@pytest.mark.parametrize("name", REPRODUCTIONS.names)
def test_a_study_in_small_runs_to_its_page(name, workspace, images, monkeypatch, capsys):
    study = REPRODUCTIONS.find(name)
    small = {
        sweep: {**settings, **({"data.source": str(images)} if sweep in DIGITS else {})}
        for sweep, settings in study.small.items()
    }
    monkeypatch.setattr(reproducing, "named_reproduction", lambda _: replace(study, small=small))
    monkeypatch.setattr("flows.execution.run.show_in_mlflow", lambda run: None)
    given = ("reproduce", reproducing.shown_name(name), "--small", "-w", workspace, "--workers", "0", "--no-prefect")
    shown, code = command(monkeypatch, capsys, *given)
    assert code == 0, shown
    out = workspace / "reproductions" / f"{reproducing.shown_name(name)}-small" / "latest"
    claims = pd.read_csv(out / "claims.csv")
    assert len(claims) and claims["verdict"].isin(["agrees", "differs", "not decided"]).all()
    assert claims.notna().all(axis=None) and not claims["found"].str.contains("nan").any()
    page = (out / "report.html").read_text()
    assert page.count("<figure") == len(list((out / "figures").iterdir())) >= 1
    assert "Not drawn" not in page and "first look" in page and claims["statement"][0].split("'")[0][:40] in page
    assert "supported" in shown and str(out.resolve() / "report.html") in shown.replace("\n", "")


def test_the_studies_are_listed_and_a_wrong_name_is_one_line(monkeypatch, capsys):
    shown, code = command(monkeypatch, capsys, "reproduce")
    assert code == 0 and all(reproducing.shown_name(name)[:8] in shown for name in REPRODUCTIONS.names)
    shown, code = command(monkeypatch, capsys, "reproduce", "szt-referense")
    assert code == 2 and "name must be one of binning" in shown and "(did you mean szt-reference?)" in shown
