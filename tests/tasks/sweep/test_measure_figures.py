"""Figures and tables of measures show what the tables hold, at any number of units, epochs, layers and classes."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_sweep import NETWORK, SWEEP, synthetic_tables

from tasks.page.page import figure_style
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.claims import CLAIMS, ERRORS, claim_table, claims
from tasks.sweep.report.measure_figures import draw_measures
from tasks.sweep.report.report import write_report
from tasks.sweep.report.signal_figures import signal_scatter
from tasks.sweep.schema import shaped

EPOCHS, LAYERS = (0, 4, 64), (1, 2, 3, 4, 5)
PLACES = np.linspace(-0.95, 0.95, 20)


def measured(n_atoms=4096, beta=0.1):
    """Rows of the three measures of the house under the reference law."""
    numbers = ("distance_within_beta", "distance_between_beta", "H_bins", "clusters", "clusters_of_bins")
    rows = []
    for seed in (0, 1):
        for epoch in EPOCHS:
            for layer in LAYERS:
                place = {"network": NETWORK, "beta": beta, "seed": seed, "epoch": epoch, "split": "all", "layer": layer}
                place |= {"shift": "reference", "size": 0.0, "metric": "none", "n_atoms": n_atoms}
                values = [("clustering", name, math.nan, 2.0 + k) for k, name in enumerate(numbers)]
                values += [("clustering", name, at, 0.05) for name in ("cosines_within", "cosines_between")
                           for at in PLACES]  # fmt: skip
                values += [("clustering", "H_bins_by_width_beta", 2.0**k, 5.0 - k) for k in range(4)]
                values += [(*claim, 9.0 + seed) for claim in CLAIMS]
                rows += [
                    place | dict(zip(("measure", "quantity", "at", "value"), each, strict=True)) for each in values
                ]
    return shaped("measures", rows, sweep=SWEEP)


@pytest.fixture(autouse=True)
def coarse_pixels(monkeypatch):
    monkeypatch.setattr("tasks.page.figure_style.DPI", 40)


@pytest.fixture(scope="module")
def tables():
    families = {"contamination": ("tv", (0.0, 0.1))}
    found = synthetic_tables(betas=(0.1,), epochs=EPOCHS, families=families)
    return replace(found, measures=measured())


def test_every_figure_of_measures_stands_on_the_page_with_its_table(tables, tmp_path):
    write_report(tables, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"clustering_1_beta_0.1", "cosines_1_beta_0.1", "bin_widths", "claims_1_beta_0.1", "signals"} <= names
    for name in names:
        assert f'<figure id="{name}">' in page
    text = re.sub(r"<[^>]+>", "", re.sub(r'<span class="numbers">.*?</span>', "", page))
    assert "off by ≥" in text and "distance_within_beta" in text and "cosines_within" not in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_figures_of_the_third_case_on_are_folded(tmp_path):
    betas = (0.1, 0.2, 0.3)
    found = synthetic_tables(betas=betas, seeds=(0,), epochs=(4,), families={"contamination": ("tv", (0.0, 0.1))})
    rows = pd.concat([measured(beta=beta) for beta in betas])
    rows = rows[(rows["epoch"] == 4) & (rows["seed"] == 0) & (rows["layer"] > 3)]
    write_report(replace(found, measures=rows), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for name in ("clustering", "cosines", "claims"):
        places = [page.index(f'<figure id="{name}_{k}_beta_{beta}"') for k, beta in enumerate(betas, start=1)]
        folded = [page.rfind("<details", 0, at) > page.rfind("</details>", 0, at) for at in places]
        assert folded == [False, False, True]


def test_without_measures_there_are_no_figures_of_them(tables):
    assert not list(draw_measures(Arranged(replace(tables, measures=shaped("measures", [])))))


def test_a_claim_is_off_by_what_it_lies_beyond_the_nearer_end(tables):
    arranged = Arranged(tables)
    found = claims(arranged)
    assert set(found["claim"]) == set(CLAIMS.values()) and len(found) == len(CLAIMS) * 2 * len(EPOCHS) * len(LAYERS)
    truth = arranged.information[arranged.information["shift"] == "reference"]
    ends = truth.set_index(["seed", "epoch", "layer"])[["lower", "upper"]]
    for row in found.itertuples():
        beyond = row.value - ends.loc[(row.seed, row.epoch, row.layer), "upper"]
        assert row.off == pytest.approx(beyond - ERRORS.get(row.claim, 0.0))
    assert ERRORS["unpooled passes"] == pytest.approx(3 * 0.02 * math.sqrt(2))
    inside = (found["lower"] + found["upper"]) / 2
    low, within = (
        claims(Arranged(replace(tables, measures=tables.measures.assign(value=value)))) for value in (-1.0, inside[0])
    )
    np.testing.assert_allclose(low["off"], low["lower"] + 1 - low["claim"].map(ERRORS).fillna(0))
    same = (within["lower"] < inside[0]) & (inside[0] < within["upper"])
    assert same.any() and (within.loc[same, "off"] == 0).all()


def test_the_table_of_claims_has_means_over_seeds(tables):
    arranged = Arranged(tables)
    table = claim_table(arranged)
    assert table.head[3:] == list(CLAIMS.values()) and len(table.rows) == len(LAYERS)
    deepest = arranged.final(claims(arranged))
    deepest = deepest[(deepest["layer"] == 5) & (deepest["claim"] == "30 bins")]
    assert table.rows[-1][3] == ("9.500", "", f"off by ≥ {deepest['off'].mean():.3f}")


def test_atoms_that_stand_for_all_are_counted(tables, tmp_path):
    write_report(replace(tables, measures=measured(n_atoms=512)), tmp_path)
    assert "5 (from 512 of 4096 atoms)" in (tmp_path / "report.html").read_text(encoding="utf-8")


def scattered(tables, width, epochs=EPOCHS, scale=1.0):
    """The figure of a cloud that has all its variance along one direction of its last epoch, and a little beside."""
    rng, rows = np.random.default_rng(0), []
    along, beside = np.linalg.qr(rng.normal(size=(max(width, 2), 2)))[0].T[:, :width]
    for epoch in epochs:
        for atom in range(40):
            s = scale * ((atom - 20) * along + rng.normal() * beside)
            place = {"network": NETWORK, "beta": 0.1, "seed": 0, "epoch": epoch, "split": "all", "layer": 5}
            rows.append(place | {"atom": atom, "label": atom % 2, "s": s.tolist()})
    arranged = Arranged(replace(tables, signals=shaped("signals", pd.DataFrame(rows))))
    (sheet,) = arranged.sheets
    with figure_style.house_style():
        return signal_scatter(arranged, sheet)


@pytest.mark.parametrize("width", [1, 2, 3, 20])
def test_many_units_are_seen_along_the_directions_in_which_they_vary_most(tables, width):
    panels = [axes for axes in scattered(tables, width).axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [f"epoch {epoch}" for epoch in EPOCHS]
    points = np.vstack([np.column_stack(line.get_data()) for line in panels[-1].lines if line.get_marker() == "o"])
    assert len(points) == 40
    if width > 2:
        assert np.ptp(points[:, 0]) == pytest.approx(39, rel=0.05)  # a projection on unit vectors: distances stay
        assert panels[0].get_xlabel().startswith("first direction, 99") or "100 %" in panels[0].get_xlabel()
    else:
        assert panels[0].get_xlabel() == "S[1]"


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0])
def test_the_noise_is_drawn_as_long_as_it_is_or_said_to_be_longer(tables, scale):
    panel = scattered(tables, 3, scale=scale).axes[0]
    bars = [line for line in panel.lines if line.get_marker() != "o"]
    texts = [text.get_text() for text in panel.texts]
    assert texts == ["± β"] if bars else texts == ["± β is wider"]
    assert all(np.ptp(bar.get_xdata()) == pytest.approx(2 * 0.1) for bar in bars)
    assert bool(bars) == (scale == 1.0)
