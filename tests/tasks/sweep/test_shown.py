"""What figures say of themselves is what the tables hold, and the rows that they name are there."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_sweep import synthetic_tables
from test_report import only

from ib_core.bounds.theorems import named
from tasks.page import figure_style as style
from tasks.sweep.report import audit_figures, bound_figures, figures, seeds, shown
from tasks.sweep.report.arranged import Arranged


@pytest.fixture(scope="module")
def arranged():
    families = ["reference", "contamination", "gaussian_displacement"]
    return Arranged(only(synthetic_tables(seeds=(0, 1, 2), epochs=(1, 100)), shift=families, layer=[0, 1, 2, 3]))


@pytest.fixture(scope="module")
def pictures(arranged):
    with style.house_style():
        return {picture.name: picture for picture in figures.draw(arranged)}


def test_every_figure_has_a_sentence_with_a_number_in_it(pictures):
    assert all(re.search(r"\d", each.shows) and each.shows.endswith(".") for each in pictures.values())
    assert not any(re.search(r"\bnan\b|–", each.shows) for each in pictures.values())


def test_the_rows_that_a_figure_names_are_in_the_table(arranged, pictures):
    for picture in pictures.values():
        for numbers in picture.numbers:
            table = getattr(arranged.tables, numbers.table.partition(".")[0])
            for column, values in re.findall(r"(\w+) = ([^,]+)", numbers.rows):
                table = table[table[column].astype(str).isin(values.split(" or "))]
            assert len(table), (picture.name, numbers)


def test_the_largest_loss_is_the_one_in_the_table(arranged):
    said = shown.response(arranged, arranged.cases, arranged.groups[0])
    change = arranged.relative[arranged.relative["clear"]]
    most = change.loc[change["percent"].idxmin()]
    assert f"The largest loss is {-most['percent']:.1f} % of I(X; T)" in said and f"in layer {most['layer']} " in said


def test_seeds_have_students_interval_from_three_on():
    rows = pd.DataFrame({"size": [0.1] * 3 + [0.2] * 2, "middle": [1.0, 2.0, 3.0, 1.0, 5.0]})
    table = seeds.spread(rows, "size")
    assert table.loc[0.1, "high"] - 2.0 == pytest.approx(4.302652729911275 / math.sqrt(3), rel=1e-9)  # t of 2 d.o.f.
    assert np.isnan(table.loc[0.2, "low"]) and table.loc[0.2, "mean"] == 3.0


def test_a_panel_of_bounds_names_the_three_that_are_smallest_and_draws_no_other(arranged):
    case, (group,) = arranged.cases[0], arranged.groups
    with style.house_style():
        figure = bound_figures.deviation_against_bounds(arranged, case, group)
    bounds = case.of(arranged.final(arranged.tables.bounds))
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0) & (bounds["layer"] == 1)]
    bounds = bounds[bounds["shift"] == next(iter(group.families))]
    least = bounds.groupby(["theorem", "size"])["bound"].min().map(np.log).groupby("theorem").mean().nsmallest(3).index
    axes = figure.axes[0]
    assert {text.get_text().removesuffix(" ↑") for text in axes.texts} == {named(name).label for name in least}
    dashed = [line for line in axes.lines if line.get_marker() == "."]
    assert len(dashed) == 3


def test_families_of_one_size_have_a_row_for_each_layer_with_letters_at_the_smallest_bounds(arranged):
    alone = Arranged(only(arranged.tables, size=[0.0, 0.1]))
    case, (group,) = alone.cases[0], alone.groups
    with style.house_style():
        figure = bound_figures.deviation_against_bounds(alone, case, group)
    bounds = case.of(alone.final(alone.tables.bounds))
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    keys = {key.get_text()[0]: key.get_text()[3:] for key in figure.legends[0].texts if key.get_text()[1:3] == "  "}
    assert figure.get_figheight() < 3 and len(figure.axes) == len(group.families)
    for axes, family in zip(figure.axes, group.families, strict=True):
        for text, (_, rows) in zip(axes.texts, bounds[bounds["shift"] == family].groupby("layer"), strict=True):
            least = rows.groupby("theorem")["bound"].min().nsmallest(3)
            named_here = [keys[letter] for letter in text.get_text().replace("→", "").split()]
            assert [least.loc[name] for name in least.index] == sorted(least)
            assert {named(name).label for name in least.index} == set(named_here)


def test_networks_of_one_epoch_each_have_no_figure_over_epochs(arranged):
    """Though their last epochs differ."""
    last = arranged.tables.information["epoch"].max()
    tables = only(arranged.tables, epoch=[last], beta=[0.1], shift=["reference"], layer=[0, 1])
    other = only(arranged.tables, epoch=[1], beta=[0.1], shift=["reference"], layer=[0, 1])
    both = {name: pd.concat([getattr(tables, name), getattr(other, name).assign(network="other")], ignore_index=True)
            for name in ("information", "history", "layers")}  # fmt: skip
    found = Arranged(replace(tables, **both))
    with style.house_style():
        drawn = {picture.name: picture.figure for picture in figures.draw(found)}
    assert "information_by_epoch" not in drawn
    assert not [axes for axes in drawn["information_plane"].axes if axes.get_ylabel() == "epoch"]


def test_the_worst_laws_have_a_row_for_each_layer_and_radius(arranged):
    case = arranged.cases[0]
    with style.house_style():
        figure = audit_figures.worst_case(arranged, case)
    found = case.of(arranged.tables.worst_case)
    for axes, (_, rows) in zip(figure.axes, found.groupby("metric", sort=False), strict=False):
        assert len(axes.get_yticks()) == len(rows.groupby(["layer", "size"]))


def test_each_noise_level_has_an_axis_of_its_own(pictures):
    for name in ("information_by_epoch", "reference_brackets", "information_plane"):
        first, second = pictures[name].figure.axes[:2]
        assert (first.get_xlim(), first.get_ylim()) != (second.get_xlim(), second.get_ylim()), name
