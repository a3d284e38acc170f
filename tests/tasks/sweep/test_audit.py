"""The audit says what the tables hold, and no more than that when they hold little."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D
from synthetic_sweep import NETWORK, synthetic_tables
from test_report import only

from ib_core.bounds.theorems import named
from ib_core.sources import szt
from tasks.page.page import figure_style
from tasks.sweep.bottleneck import bottleneck_table
from tasks.sweep.report import audit, audit_figures
from tasks.sweep.report.arranged import WIDEST, Arranged, grouped
from tasks.sweep.report.verdict import Verdict

PLACE = {"network": NETWORK, "beta": 0.1, "layer": 2, "shift": "contamination", "size": 0.1}


@pytest.fixture(scope="module")
def tables():
    return synthetic_tables(betas=(0.1,), epochs=(64, 1000))


def said(tables):
    return " ".join(text for _, texts in audit.words(Arranged(tables)) for text in texts)


def row_of(frame, **place):
    for column, value in place.items():
        frame = frame[frame[column] == value]
    (found,) = frame.to_dict("records")
    return found


def unclear(information):
    """Brackets of changes so wide that each holds 0."""
    return information.assign(lower=information["lower"] - 1e3, upper=information["upper"] + 1e3)


def test_tightness_is_the_measured_change_over_the_smallest_bound_that_holds(tables):
    bounds = tables.bounds.copy()
    here = (bounds["seed"] == 1) & (bounds["epoch"] == 1000) & (bounds["concerns"] == "deviation")
    for column, value in PLACE.items():
        here &= bounds[column] == value
    ordered = bounds[here].sort_values("bound")
    found = row_of(Arranged(tables).audit, seed=1, **PLACE)
    assert found["theorem"] == ordered["theorem"].iloc[0] and found["theorems"] == len(ordered)
    assert found["tightness"] == pytest.approx(ordered["measured"].iloc[0] / ordered["bound"].iloc[0], rel=1e-9)
    bounds.loc[ordered.index[0], "holds"] = False
    found = row_of(Arranged(replace(tables, bounds=bounds)).audit, seed=1, **PLACE)
    assert (found["theorem"], found["broken"]) == (ordered["theorem"].iloc[1], 1)
    assert "Violated, with the whole bracket beyond the bound: 1." in said(replace(tables, bounds=bounds))


def test_a_bound_on_the_stored_passes_is_held_against_their_change(tables):
    bounds = tables.bounds.copy()
    here = bounds["theorem"] == "wasserstein_coupled"
    bounds.loc[here, ["bound", "measured", "vacuous"]] = [0.05, 0.04, False]
    audit = Arranged(replace(tables, bounds=bounds)).audit
    moved = audit[audit["theorem"] == "wasserstein_coupled"]
    assert len(moved) and moved["tightness"].tolist() == pytest.approx([0.8] * len(moved))


def test_a_change_of_nothing_is_no_vacuous_bound(tables):
    """Neither the figure nor the verdict calls a bound vacuous where the change, or the bound, is 0."""
    still = tables.bounds.assign(measured=0.0, measured_stderr=0.0, vacuous=False)
    zero = still["layer"] == 2
    still.loc[zero, "bound"] = 0.0
    arranged = Arranged(replace(tables, bounds=still))
    with figure_style.house_style():
        panel = audit_figures.tightness(arranged, arranged.cases[0]).axes[0]
    texts = [text.get_text() for text in panel.texts]
    assert any(text.startswith("–") for text in texts) and not any(text.startswith("?") for text in texts)
    (mesh,) = (each for each in panel.collections if isinstance(each, QuadMesh))
    opaque = np.asarray(mesh.get_array())[..., 3] > 0
    assert opaque[[0, 2, 3, 4]].all() and not opaque[1].any()
    held = Verdict(arranged).held
    assert held.loc[held["layer"] == 2, ["low", "high"]].isna().all(axis=None)


def test_a_bracket_too_wide_for_its_bound_has_no_tightness(tables):
    information = tables.information.copy()
    wide = (information["quantity"] == "dI_X_T") & (information["shift"] == "contamination")
    information.loc[wide, "lower"] -= 100.0
    bounds = tables.bounds.copy()
    bounds.loc[bounds["shift"] == "contamination", ["measured", "measured_stderr"]] = 50.0, 100.0 / 6
    found = Arranged(replace(tables, information=information, bounds=bounds)).audit
    here = found[found["shift"] == "contamination"]
    assert here["unresolved"].all() and here["tightness"].isna().all()
    others = found[found["shift"] != "contamination"]
    assert not others["unresolved"].any() and (others["tightness"].dropna() <= 1).all()
    assert "the middle of the bracket exceeds the bound" in said(
        replace(tables, information=information, bounds=bounds)
    )


def test_a_change_is_held_against_the_extreme_in_its_own_direction(tables):
    information = tables.information.copy()
    risen = (information["quantity"] == "dI_X_T") & (information["shift"] == "contamination")
    information.loc[risen, ["lower", "upper"]] = -information.loc[risen, ["upper", "lower"]].to_numpy()
    ball = row_of(tables.worst_case, beta=0.1, seed=0, layer=2, metric="tv", size=0.1)
    for table, extreme in ((tables, ball["fall"]), (replace(tables, information=information), ball["rise"])):
        found = row_of(Arranged(table).beside_worst, seed=0, **PLACE)
        assert found["share"] == pytest.approx(found["measured"] / extreme, rel=1e-12)


def test_the_words_name_the_tightest_case_and_the_counts(tables):
    view, text = Arranged(tables), said(tables)
    clear = view.audit[view.audit["clear"] & ~view.audit["vacuous"]]
    most = clear.loc[clear["tightness"].idxmax()]
    assert f"the largest {100 * most['tightness']:.0f}\N{NO-BREAK SPACE}%" in text
    assert f"by “{named(most['theorem']).label}”, layer {most['layer']} under {most['shift'].replace('_', ' ')}" in text
    bounds = view.final(tables.bounds)
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    assert f"{len(bounds)} bounds on " in text
    assert f"{bounds['vacuous'].sum()} of the bounds are vacuous" in text
    assert "None is violated" in text and "for sizes in W₂" in text and "2 seeds" in text


@pytest.mark.parametrize(
    ("change", "present", "absent"),
    [
        (lambda t: only(t, seed=[1]), "1 seed)", "seeds"),
        (lambda t: only(t, shift=["reference", "contamination", "hamming_tilt"]), "2 families", "for sizes in W₂"),
        (lambda t: replace(t, worst_case=t.worst_case.iloc[:0]), "No worst law was searched", "duality gap"),
        (lambda t: only(t, shift=["reference", "gaussian_displacement"]), "1 family", "sizes in TV"),
        (lambda t: replace(t, attribution=t.attribution.iloc[:0]), "duality gap", "first-order"),
        (lambda t: replace(t, information=unclear(t.information)), "tightness was not measured", "tightest"),
        (lambda t: replace(t, bounds=t.bounds.assign(vacuous=True)), "tightness was not measured", "Most often"),
    ],
    ids=["one seed", "nothing moved", "no balls", "only moved", "no attribution", "no clear change", "all vacuous"],
)
def test_the_words_are_right_where_little_was_measured(tables, change, present, absent):
    changed = change(tables)
    text, view = said(changed), Arranged(changed)
    assert present in text and absent not in text
    cells = [
        cell
        for table in (
            *audit.summary(view),
            *(t for case in view.cases for t in audit.tables(view, case)),
            audit.ball_table(view),
        )
        for cell in table.rows
    ]
    assert "nan" not in text and "nan" not in str(cells).lower()


def test_nothing_is_said_of_a_sweep_without_shifts(tables):
    nothing = Arranged(only(tables, shift=["reference"]))
    assert audit.words(nothing) == [] and audit.summary(nothing) == [] and audit.tables(nothing, nothing.cases[0]) == []


@pytest.mark.parametrize("n", [5, 9, 11])
def test_many_families_share_as_few_figures_as_can_be_those_of_a_metric_side_by_side(n):
    families = dict(list(zip("abcdefghijk", ["tv", "kl", "w2", "kl", "tv", "w2", "severity"] * 2, strict=False))[:n])
    groups = grouped(families)
    assert len(groups) == -(-n // WIDEST) and sorted(name for g in groups for name in g.families) == sorted(families)
    assert max(len(g.families) for g in groups) - min(len(g.families) for g in groups) <= 1
    in_order = [metric for g in groups for metric in g.families.values()]
    assert sum(a != b for a, b in pairwise(in_order)) == len(set(families.values())) - 1


def test_the_bottleneck_of_the_labels_ends_in_its_corner_and_that_of_the_soft_rule_below_it():
    law = szt.law()
    table = bottleneck_table(law, szt.soft_joint())
    p = np.bincount(law.labels) / len(law.labels)
    entropy = -float(p @ np.log(p))
    hard, soft = (table[table["rule"] == rule] for rule in ("labels", "soft rule"))
    assert hard[["compression", "relevance"]].to_numpy() == pytest.approx(
        np.array([[0, 0], [entropy, entropy]]), abs=1e-9
    )
    assert soft["relevance"].max() == pytest.approx(0.99 * math.log(2), abs=1e-3)
    assert (soft["relevance"] <= soft["compression"]).all() and table["gap"].max() < 1e-6
    # The curve is concave: its slope is 1 / multiplier.
    slope = soft["relevance"].diff() / soft["compression"].diff()
    assert (slope.dropna().diff().dropna() < 1e-6).all()
    assert list(pd.unique(bottleneck_table(law)["rule"])) == ["labels"]


@pytest.mark.parametrize("families", [3, 9])
def test_the_keys_of_a_figure_leave_room_for_its_title(families):
    lines = [
        "largest and smallest found",
        "certified for every law of the ball",
        "± seed or capacity form, the smaller",
    ]
    names = [*lines, *(["class tilt", "information tilt"] * families)[:families]]
    with figure_style.house_style():
        figure, _ = figure_style.sheet(1, 1, 1.0, (0.0, 0.0))
        figure_style.legend(figure, [Line2D([], [], label=name) for name in names], "β = 0.1")
        renderer = FigureCanvasAgg(figure).get_renderer()
    (title,), (keys,) = figure.texts, figure.legends
    box = keys.get_window_extent(renderer)
    assert title.get_window_extent(renderer).x1 < box.x0 and box.x1 <= figure.bbox.width
