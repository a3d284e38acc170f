"""The report shows everything the tables hold, needs nothing from elsewhere, and is the same every time."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from synthetic_sweep import NETWORK, synthetic_tables

from tasks.sweep.report import audit
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.report import findings, write_report
from tasks.sweep.report.tables import law_table, number
from tasks.sweep.schema import shaped
from tasks.sweep.sizes import at_size
from tasks.sweep.tables import TABLES, SweepTables


class Page(HTMLParser):
    """What a page refers to, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster")]
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data if self.tags[-1:] != ["style"] else ""


def report(tables: SweepTables, folder: Path) -> Page:
    write_report(tables, folder)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def only(tables: SweepTables, **chosen: list) -> SweepTables:
    """The part of every table whose columns hold the chosen values."""
    parts = {}
    for name in TABLES:
        frame = getattr(tables, name)
        for column, values in chosen.items():
            if column in frame:
                frame = frame[frame[column].isin(values)]
        parts[name] = frame.reset_index(drop=True)
    return replace(tables, **parts)


@pytest.fixture(scope="module")
def whole() -> SweepTables:
    return synthetic_tables()


@pytest.fixture(autouse=True)
def coarse_pixels(monkeypatch):
    """What is in a figure does not depend on their number, which takes a good part of the time."""
    monkeypatch.setattr("tasks.page.figure_style.DPI", 40)


@pytest.fixture(scope="module")
def small(whole: SweepTables) -> SweepTables:
    families = ["reference", "contamination", "gaussian_displacement"]
    return only(whole, beta=[0.1], epoch=[64, 1000], layer=[0, 1, 2, 3, 5], size=[0.0, 0.1, 0.2], shift=families)


def test_the_page_is_self_contained_and_shows_every_figure(whole, tmp_path):
    page = report(whole, tmp_path)
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert len(page.sources) == len(drawn) == 15
    assert all(re.match("data:image/(svg[+]xml|png);base64,", source) for source in page.sources)
    assert all(link.startswith("#") or link == "data:," or re.fullmatch(r"[\w./]+", link) for link in page.links)
    assert sorted(link.removeprefix("figures/") for link in page.links if link.startswith("figures/")) == drawn
    assert not {"script", "iframe", "object"} & set(page.tags)
    assert "No bracket of a change lies wholly beyond a bound." in page.text


def test_the_same_tables_give_the_same_bytes(small, tmp_path):
    for name in ("first", "second"):
        write_report(only(small, layer=[0, 1]), tmp_path / name)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("first", "second")
    )
    assert first == second


def test_a_violated_bound_and_a_failed_cell_are_never_dropped(small, tmp_path):
    bounds, information = small.bounds.copy(), small.information.copy()
    broken = bounds.index[(bounds["epoch"] == 64) & (bounds["theorem"] == "kl_seed")][0]
    bounds.loc[broken, ["holds", "bound", "slack"]] = [False, 0.0123, -0.5]
    lost = (information["epoch"] == 1000) & (information["seed"] == 1) & (information["shift"] == "contamination")
    numbers = ["value", "stderr", "lower", "upper", "saturation"]
    information.loc[lost, numbers] = math.nan
    information.loc[lost, "status"] = "failed"
    page = report(replace(small, bounds=bounds, information=information), tmp_path)
    assert "1 violated bound" in page.text and "0.012" in page.text and "lies wholly beyond a bound" not in page.text
    assert "Failed cells" in page.text and "contamination" in page.text
    assert not re.search(r"\bnan\b", page.text, re.IGNORECASE)


def test_a_ball_whose_worst_law_breaks_a_bound_is_as_loud(small, tmp_path):
    worst_case = small.worst_case.copy()
    worst_case.loc[worst_case.index[0], ["holds", "bound"]] = [False, 0.0123]
    page = report(replace(small, worst_case=worst_case), tmp_path)
    assert "1 violated bound" in page.text and "0.012" in page.text and "lies wholly beyond a bound" not in page.text


def test_a_noise_level_of_which_nothing_was_computed_is_reported_too(whole, tmp_path):
    tables = only(whole, epoch=[1000], layer=[0, 1, 2], shift=["reference", "contamination"])
    lost = tables.information["beta"] == 0.5
    failed = tables.information[lost & (tables.information["quantity"] == "I_X_T")]
    failed = failed.assign(status="failed", value=math.nan, stderr=math.nan, n_passes=pd.NA, draws=pd.NA)
    information = pd.concat([tables.information[~lost], failed.astype({"n_passes": "Int64", "draws": "Int64"})])
    bounds, signals = (frame[frame["beta"] == 0.1] for frame in (tables.bounds, tables.signals))
    page = report(replace(tables, information=information, bounds=bounds, signals=signals), tmp_path)
    assert "Failed cells" in page.text and not re.search(r"\bnan\b|<NA>", page.text, re.IGNORECASE)


def test_a_layer_above_an_earlier_one_is_a_negative_margin(small):
    information = small.information.copy()
    third = (information["quantity"] == "I_X_T") & (information["layer"] == 3) & (information["seed"] == 0)
    information.loc[third, ["lower", "upper"]] += 20.0
    margin = Arranged(replace(small, information=information)).processing.set_index(["seed", "layer"])["margin"]
    assert (margin[0, 3] < 0).all() and (margin[0, 5] > 0).all() and (margin[1] > 0).all()


def test_a_layer_that_a_connection_passes_by_binds_no_later_one(small):
    information = small.information.copy()
    second = (information["quantity"] == "I_X_T") & (information["layer"] == 2)
    information.loc[second, ["lower", "upper"]] -= 20.0
    for cut in (True, False):
        layers = small.layers.assign(cut=cut | (small.layers["layer"] != 2))
        margin = Arranged(replace(small, information=information, layers=layers)).processing.set_index("layer")[
            "margin"
        ]
        assert (margin[[3, 5]] < 0).all() == cut and (margin[[3, 5]] > 0).all() != cut
        assert (margin[2] > 0).all()  # which layer 1 still binds


def test_names_are_text_and_never_markup(small, tmp_path):
    hostile = "<script>alert(1)</script> $\\frac$ {{ 7 * 7 }}"
    page = report(replace(only(small, layer=[0, 1]), sweep=hostile, config={"name": hostile}), tmp_path)
    assert "script" not in page.tags and hostile in page.text


@pytest.mark.parametrize(
    "chosen",
    [
        {"layer": [0, 1]},
        {"size": [0.1]},
        {"size": [0.0]},
        {"shift": ["reference", "contamination"]},
        {"shift": ["reference"]},
        {"seed": [1]},
        {"epoch": [1000]},
    ],
    ids=str,
)
def test_a_sweep_with_one_of_a_kind_has_a_report_too(small, chosen, tmp_path):
    tables = only(small, **chosen)
    if "size" in chosen:  # the reference law has size 0 and stays
        tables = replace(tables, information=_with_reference(small, tables, "information"))
        tables = replace(tables, laws=_with_reference(small, tables, "laws"))
    page = report(tables, tmp_path)
    assert page.sources and not re.search(r"\bnan\b", page.text, re.IGNORECASE)


@pytest.mark.parametrize("beta", [1e-300, 1e6, 1e300])
def test_noise_of_any_size_has_a_report(small, beta, tmp_path):
    few = only(small, layer=[0, 2, 5], seed=[0])
    frames = {name: getattr(few, name) for name in TABLES}
    noisy = {name: frame.assign(beta=beta) for name, frame in frames.items() if "beta" in frame}
    page = report(replace(few, **noisy), tmp_path)
    assert page.sources and not re.search(r"\bnan\b", page.text, re.IGNORECASE)


def _with_reference(small: SweepTables, tables: SweepTables, name: str) -> pd.DataFrame:
    whole, part = getattr(small, name), getattr(tables, name)
    return pd.concat([whole[whole["shift"] == "reference"], part[part["shift"] != "reference"]], ignore_index=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((math.nan, "–"), (math.inf, "∞"), (0.0, "0"), (-0.0, "0"), (1e-9, "<0.001"), (-1e-9, ">−0.001")),
        *((-1.5, "−1.500"), (9.59, "9.590"), (4040.6, "4041")),
    ],
)
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_relative_change_is_the_mean_over_seeds_of_each_seeds_own(small):
    rows = small.information[(small.information["epoch"] == 1000) & (small.information["layer"] == 2)]
    rows = rows[rows["estimator"] == "upper"].set_index(["quantity", "shift", "size", "seed"])
    rows = (rows["lower"] + rows["upper"]) / 2
    expected = sum(rows["dI_X_T", "contamination", 0.2, s] / rows["I_X_T", "reference", 0.0, s] for s in (0, 1)) / 2
    relative = Arranged(small).relative.set_index(["layer", "shift", "size"])["percent"]
    assert math.isclose(relative[2, "contamination", 0.2], 100 * expected, rel_tol=1e-12)


def in_parts(tables: SweepTables) -> SweepTables:
    """The same numbers for a train and a test part, whose laws have other entropies."""

    def twice(frame: pd.DataFrame) -> pd.DataFrame:
        if "split" not in frame:
            return frame
        return pd.concat([frame.assign(split=part) for part in ("train", "test")], ignore_index=True)

    found = replace(tables, **{name: twice(getattr(tables, name)) for name in TABLES})
    test = found.laws["split"] == "test"
    return replace(found, laws=found.laws.assign(entropy=found.laws["entropy"].where(~test, 7.0)))


def test_parts_of_the_data_stand_side_by_side_each_with_its_entropy(small, tmp_path):
    tables = in_parts(only(small, layer=[0, 1, 3], seed=[0], epoch=[1000]))
    arranged = Arranged(tables)
    assert [case.label for case in arranged.cases] == ["β = 0.1, train", "β = 0.1, test"]
    assert [arranged.reference_of(case)["entropy"] for case in arranged.cases] == [tables.laws["entropy"][0], 7.0]
    page = report(tables, tmp_path)
    assert "train: 4096 atoms, H(X) = 8.318 nats" in page.text and "test: 4096 atoms, H(X) = 7.000 nats" in page.text


def test_many_cases_are_cut_into_figures_that_keep_the_parts_of_a_network_together():
    tables = in_parts(synthetic_tables(betas=(0.1, 0.2, 0.3), seeds=(0,), epochs=(1,)))
    sheets = Arranged(tables).sheets
    assert [[case.label for case in sheet.cases] for sheet in sheets] == [
        ["β = 0.1, train", "β = 0.1, test", "β = 0.2, train", "β = 0.2, test"],
        ["β = 0.3, train", "β = 0.3, test"],
    ]
    assert [sheet.label for sheet in sheets] == ["β = 0.1, β = 0.2", "β = 0.3"]


def test_networks_of_several_kinds_have_a_report(small, tmp_path):
    """One of three layers, the deepest of 3 units; the other of one, of 5 units."""
    first = only(small, layer=[0, 1, 2, 3], seed=[0], epoch=[1000])
    second = only(first, layer=[0, 1])
    frames = {
        name: pd.concat([frame, other.assign(network="cnn-tanh")], ignore_index=True) if "network" in frame else frame
        for name in TABLES
        for frame, other in [(getattr(first, name), getattr(second, name))]
    }
    places = [{"network": name, "layer": layer, "s": [0.1 * layer] * width}
              for name, layer, width in ((NETWORK, 3, 3), ("cnn-tanh", 1, 5))]  # fmt: skip
    same = {"beta": 0.1, "seed": 0, "epoch": 1000, "split": "all", "atom": 0, "label": 1}
    frames["signals"] = shaped("signals", [same | place for place in places])
    page = report(replace(first, **frames), tmp_path)
    assert "cnn-tanh, β = 0.1" in page.text and not re.search(r"\bnan\b", page.text, re.IGNORECASE)
    assert "1 act1 (10); 1 act1 (10), 2 act2 (7), 3 act3 (5)" in page.text


def test_accuracies_beside_changes_are_those_of_the_information_table(small):
    arranged = Arranged(small)
    table = small.information[(small.information["epoch"] == 1000) & (small.information["quantity"] == "accuracy")]
    shifted = 100 * table[table["shift"] == "contamination"].groupby("size")["value"].mean()
    (case,) = arranged.cases
    rows = next(found for found in audit.tables(arranged, case) if "contamination" in found.caption)
    column = rows.head.index("correct, %")
    assert {(row[1], row[column]) for row in rows.rows} == {(f"{s:g}", f"{shifted[s]:.1f}") for s in (0.1, 0.2)}
    clean = 100 * table[table["shift"] == "reference"]["value"].mean()
    said = " ".join(text for _, texts in findings(arranged) for text in texts)
    assert f"accuracy {clean:.1f} → {shifted[0.2]:.1f} %" in said


def test_a_wide_layer_is_said_to_be_known_by_a_projection(small):
    information = small.information.copy()
    first = (information["layer"] == 1) & (information["quantity"] == "I_X_T")
    information.loc[first & (information["estimator"] == "lower"), "form"] = "gaussian, 8 directions"
    said = [" ".join(text for _, texts in findings(Arranged(t)) for text in texts)
            for t in (small, replace(small, information=information))]  # fmt: skip
    assert "Too wide to be measured whole: layer 1." in said[1] and "Too wide" not in said[0]


def test_a_layer_that_a_connection_passes_by_limits_no_later_one(small):
    layers = small.layers.assign(cut=small.layers["layer"] != 2)
    arranged = Arranged(replace(small, layers=layers))
    known = arranged.information.set_index(["seed", "epoch", "shift", "size", "layer"])
    for row in arranged.processing[arranged.processing["layer"] == 3].itertuples():
        first = known.loc[(row.seed, row.epoch, row.shift, row.size, 1)]
        assert row.margin == pytest.approx(first["upper"] - row.lower, rel=1e-12)


def test_where_projections_begin_is_said(small, tmp_path):
    table = small.information
    rows = table[(table["quantity"] == "I_X_T") & (table["layer"] == 3)]
    known = (rows["epoch"] == 1000) & ((rows["shift"] != "gaussian_displacement") | (rows["size"] == 0.2))
    assert {0.1, 0.2} <= set(rows.loc[rows["shift"] == "gaussian_displacement", "size"])
    projected = pd.concat([table, rows[known].assign(quantity="I_X_UT")], ignore_index=True)
    begun = "layer 3 from epoch 1000 on; layer 3 under gaussian displacement from 0.2 on"
    pages = [report(replace(small, information=each), tmp_path).text for each in (table, projected)]
    assert [f"saturated: {begun}." in page for page in pages] == [False, True]
    assert ["Dash-dotted: I(X;\xa0UT)" in page for page in pages] == [False, True]


def test_the_label_that_gains_most_is_shown_with_its_probabilities(small):
    moved = small.laws["shift"] == "contamination"
    laws = small.laws.copy()
    laws.loc[moved, ["label", "p_label", "p_label_before"]] = 3, 0.75, 0.5
    table = law_table(Arranged(replace(small, laws=laws)))
    column = table.head.index("label: P → P′")
    assert {row[column] for row in table.rows if row[0].startswith("contamination")} == {"3: 0.500 → 0.750"}
    assert {row[column] for row in table.rows if not row[0].startswith("contamination")} == {""}


def test_other_measures_are_shown_as_the_table_has_them(small, tmp_path):
    place = {"sweep": "szt", "network": NETWORK, "beta": 0.1, "epoch": 1000, "split": "all", "layer": 2}
    rows = [
        place | {"seed": seed, "shift": shift, "size": size, "metric": "tv", "measure": "binning"}
        | {"quantity": "I_X_bins", "value": value + seed}
        for seed in (0, 1)
        for shift, size, value in (("reference", 0.0, 2.25), ("contamination", 0.1, 1.125))
    ]  # fmt: skip
    page = report(replace(small, measures=shaped("measures", rows)), tmp_path)
    assert "Other measures" in page.text and "I_X_bins" in page.text
    assert "2.750" in page.text and "1.625" in page.text  # means over the seeds


@pytest.mark.parametrize(
    ("family", "metric", "text"),
    [
        ("rotation", "severity", "rotation at severity 30 degrees"),
        ("gaussian_noise", "severity", "gaussian noise at severity 30"),
        ("rotation", "w2", "rotation at W₂ 30"),
        ("adversarial", "winf", "adversarial at W∞ 30"),
        ("my_shifts.odd_one", "kl", "odd one at KL 30 nats"),
        ("my_shifts:odd_one", "tv", "odd one at TV 30"),
    ],
)
def test_a_size_is_named_by_its_metric_and_unit(family, metric, text):
    assert at_size(family, 30.0, metric) == text
    assert at_size("blur", 1.0, "severity") == "blur at severity 1 pixel" and at_size("tilt", 1.0, "kl")[-5:] == "1 nat"
