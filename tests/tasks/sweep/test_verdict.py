"""The verdict claims what the brackets of a sweep decide, and nothing else."""

import math
import re
from dataclasses import replace

import pandas as pd
import pytest
from synthetic_sweep import NETWORK, synthetic_tables

from tasks.page.summary import MOST, headline
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.report import write_report
from tasks.sweep.report.verdict import Verdict, bullets
from tasks.sweep.tables import TABLES, SweepTables

NUMBERS = ["value", "stderr", "lower", "upper", "saturation"]


@pytest.fixture(scope="module")
def tables() -> SweepTables:
    """Under contamination at TV .2 layer k loses .9 * .2 * (1.4 - .2 k) of its information: 18 % in layer 2, 7.2 % in
    layer 5; layer 1 is saturated. Brackets of changes reach .006 nats to either side."""
    families = {"contamination": ("tv", (0.0, 0.1, 0.2)), "gaussian_displacement": ("w2", (0.0, 0.2))}
    return synthetic_tables(betas=(0.1,), epochs=(1, 16, 1000), families=families)


def sentences(tables: SweepTables) -> str:
    return " ".join(text for _, said in bullets(Verdict(Arranged(tables))) for text in said)


def only(tables: SweepTables, **chosen: list) -> SweepTables:
    found = {}
    for name in TABLES:
        frame = getattr(tables, name)
        for column, values in chosen.items():
            frame = frame[frame[column].isin(values)] if column in frame else frame
        found[name] = frame.reset_index(drop=True)
    return replace(tables, **found)


def where(frame: pd.DataFrame, **place) -> pd.Series:
    here = pd.Series(True, index=frame.index)
    for column, value in place.items():
        here &= frame[column].isin(value if isinstance(value, list) else [value])
    return here


def with_brackets(tables: SweepTables, low: float, high: float, **place) -> SweepTables:
    information = tables.information.copy()
    information.loc[where(information, **place), ["lower", "upper"]] = low, high
    return replace(tables, information=information)


def changed(tables: SweepTables, low: float, high: float, **place) -> SweepTables:
    """The same with other brackets of a change, relative to an information of exactly 2 nats."""
    tables = with_brackets(tables, 2.0, 2.0, quantity="I_X_T", shift="reference", layer=place["layer"])
    return with_brackets(tables, 2 * low, 2 * high, quantity="dI_X_T", size=0.2, **place)


def test_the_most_robust_and_the_most_affected_layer_are_those_of_the_formula(tables):
    text = sentences(tables)
    for role, layer, share in (("Most robust", 5, 7.2), ("Most affected", 2, 18)):
        found = re.search(
            rf"{role} of the others: layer {layer} under contamination at TV 0.2 \(loses ([\d.]+)(?: to ([\d.]+))? %",
            text,
        )
        assert float(found[1]) <= share <= float(found[2] or found[1]) < share + 2
    assert "Layer 1 is saturated" in text and "and not ranked" in text and "Not decided" not in text


@pytest.mark.parametrize(
    ("brackets", "present", "absent"),
    [
        # Layers 2 to 5; of the others, layer 1 is saturated.
        ([(-0.3, -0.2), (-0.19, -0.1), (-0.19, -0.1), (-0.05, -0.01)],
         ["robust of the others: layer 5 under", "(loses 1.0 to 5.0", "affected of the others: layer 2 under"],
         ["Not decided"]),
        ([(-0.3, -0.2), (-0.25, -0.1), (-0.19, -0.06), (-0.05, 0.01)],
         ["Most robust of the others: layer 5 under", "(changes by at most 5.0",
          "which of layers 2 and 3 is the most affected, under contamination"],
         ["Most affected"]),
        ([(-0.3, -0.1), (-0.3, -0.1), (-0.2, -0.15), (-0.3, -0.1)],
         ["which of layers 2 to 5 is the most robust, and which the most affected, under contamination."], ["Most"]),
        ([(-0.3, 0.1), (-0.3, 0.1), (-0.02, 0.1), (-0.001, 0.001)],
         ["No other layer changes beyond its brackets under contamination at TV 0.2"], ["Most", "Not decided"]),
        # Touching brackets decide nothing.
        ([(-0.3, -0.2), (-0.2, -0.1), (0.05, 0.1), (-0.05, -0.01)], ["which of layers 2 and 3 is the most affected"],
         ["Most affected"]),
        # Ends are rounded outwards, and nothing loses more than it holds.
        ([(-1.4, -0.5551), (-0.19, -0.1), (-0.19, -0.1), (-0.0561, -0.0129)],
         ["layer 2 under contamination at TV 0.2 (loses 55 to 100 %)", "(loses 1.2 to 5.7 %)"], []),
    ],
)  # fmt: skip
def test_a_layer_is_named_only_where_its_bracket_lies_apart(tables, brackets, present, absent):
    for layer, (low, high) in enumerate(brackets, start=2):
        tables = changed(tables, low, high, layer=layer, shift="contamination")
    text = sentences(only(tables, shift=["reference", "contamination"]))
    assert all(words in text for words in present) and not any(words in text for words in absent), text


def test_seeds_that_contradict_each_other_decide_nothing(tables):
    for layer, size in ((2, 0.5), (3, 0.4), (4, 0.1)):
        tables = changed(tables, -size - 0.001, -size + 0.001, layer=layer, shift="contamination")
    for seed, size in ((0, 0.02), (1, 0.12)):  # a mean of .07, but above layer 4 in the second
        tables = changed(tables, -size - 0.001, -size + 0.001, layer=5, shift="contamination", seed=seed)
    text = sentences(tables)
    assert "which of layers 4 and 5 is the most robust, under contamination, where seeds differ" in text
    assert "Most affected of the others: layer 2 under contamination" in text


def test_a_saturated_layer_is_never_named(tables):
    entropy = Arranged(tables).reference["entropy"]
    for layer in (1, 2, 3, 4, 5):
        place = {"quantity": "I_X_T", "shift": "reference", "layer": layer}
        tables = with_brackets(tables, 0.96 * entropy, entropy, **place)
        text = sentences(tables)
        if layer < 4:
            named = {int(k) for k in re.findall(r"Most \w+ of the others: layer (\d)", text)}
            assert named and min(named) > layer
    assert "Every layer is saturated" in text and "Most" not in text and "can be judged" not in text
    assert "How tight the bounds are stays open." in text
    assert "very layer is saturated" in Verdict(Arranged(tables)).headline


def test_a_layer_that_may_be_saturated_is_marked(tables):
    entropy = Arranged(tables).reference["entropy"]
    tables = with_brackets(tables, 0.9 * entropy, entropy, quantity="I_X_T", shift="reference", layer=5)
    assert "Most robust of the others: layer 5 (close to saturation) under contamination" in sentences(tables)


def test_one_layer_alone_is_judged_but_not_ranked(tables):
    text = sentences(only(tables, layer=[0, 1, 2]))
    assert "Only layer 2 can be judged: it loses" in text and "Most" not in text
    assert re.match(r"Layer 2 loses at least 1\d % under", Verdict(Arranged(only(tables, layer=[0, 1, 2]))).headline)


def test_layers_that_are_left_out_are_not_said_to_stay(tables):
    """A saturated layer may change more than all others, and clearly so where these do not."""
    shift = {"layer": 1, "quantity": "dI_X_T", "shift": "gaussian_displacement", "size": 0.2}
    tables = with_brackets(tables, 0.05, 0.08, **shift)
    for layer in (2, 3, 4, 5):
        tables = with_brackets(tables, -0.01, 0.1, **{**shift, "layer": layer})
    moved = only(tables, shift=["reference", "gaussian_displacement"])
    text = sentences(moved)
    assert text.index("Layer 1 is saturated") < text.index("No other layer changes beyond its brackets under gaussian")
    assert "no other layer changes" in Verdict(Arranged(moved)).headline


def test_rounding_is_no_change(tables):
    """Of a layer that holds nothing, and has no error, a change of 1e-25 nats is none."""
    for quantity, value in (("I_X_T", 0.0), ("I_T_Y", 0.0), ("dI_X_T", -1e-25)):
        tables = with_brackets(tables, value, value, quantity=quantity, layer=2)
    arranged = Arranged(only(tables, layer=[0, 1, 2]))
    assert "it does not change beyond its bracket under contamination" in sentences(arranged.tables)
    assert not arranged.audit.loc[arranged.audit["layer"] == 2, "clear"].any()
    assert set(arranged.relative.loc[arranged.relative["layer"] == 2, "percent"]) == {0.0}


def test_layers_that_are_alone_in_different_families_are_each_judged(tables):
    information = tables.information.copy()
    for layer, family in ((2, "contamination"), (3, "gaussian_displacement")):
        lost = where(information, layer=layer, shift=family)
        information.loc[lost, NUMBERS] = math.nan
        information.loc[lost, "status"] = "failed"
    text = sentences(only(replace(tables, information=information), layer=[0, 1, 2, 3]))
    assert "Only layer 3 can be judged under contamination: it loses" in text
    assert "Only layer 2 can be judged under gaussian displacement: it loses" in text


def test_seeds_without_all_layers_are_left_out_and_failed_cells_decide_nothing(tables):
    information = tables.information.copy()
    lost = where(information, seed=1, layer=3, shift="contamination")
    information.loc[lost, NUMBERS] = math.nan
    information.loc[lost, "status"] = "failed"
    found = Verdict(Arranged(replace(tables, information=information)))
    (reaction, *_) = next(iter(found.reactions.values()))
    assert reaction.family == "contamination" and (reaction.seeds, reaction.least.layer) == (1, 5)
    assert re.match(r"\d+ of \d+ estimates failed", found.headline)
    every = where(information, shift="contamination")
    information.loc[every, NUMBERS] = math.nan
    information.loc[every, "status"] = "failed"
    bounds = tables.bounds[tables.bounds["shift"] != "contamination"]
    text = sentences(replace(tables, information=information, bounds=bounds))
    assert "contamination" not in text


def test_tightness_is_said_with_the_bracket_of_the_change(tables):
    bounds = tables.bounds.copy()
    bounds["bound"], bounds["vacuous"] = 100.0, True
    # Layer 1 is saturated, and the change of layer 5 is not clear.
    for layer, measured, stderr in ((1, 0.9, 0.01), (2, 0.5, 0.01), (3, 0.4, 0.01), (4, 0.3, 0.01), (5, 0.1, 0.1)):
        here = where(bounds, layer=layer, theorem="tv_golden", shift="contamination", size=0.2, concerns="deviation")
        bounds.loc[here, ["bound", "measured", "measured_stderr", "vacuous"]] = [1.0, measured, stderr, False]
    text = sentences(replace(tables, bounds=bounds))
    assert "A clear change outside the saturated layers is 37 to 43 % of its smallest bound" in text
    assert "at least 47 % in the tightest case (layer 2 under contamination at TV 0.2" in text


def test_where_no_change_or_one_is_clear_no_median_is_said(tables):
    still = tables.bounds.assign(measured=0.001, measured_stderr=0.1, vacuous=False)
    text = sentences(replace(tables, bounds=still))
    assert (
        "No change outside the saturated layers goes beyond its bracket: how tight the bounds are stays open." in text
    )
    bounds = still.copy()
    here = where(bounds, layer=2, theorem="tv_golden", shift="contamination", size=0.2, seed=0, concerns="deviation")
    bounds.loc[here, ["bound", "measured", "measured_stderr"]] = [1e-3, 0.8e-3, 0.1e-4]
    text = sentences(replace(tables, bounds=bounds))
    assert "One clear change outside the saturated layers has a bound that is not vacuous, and is 77 to 83 % of" in text


def test_vacuous_bounds_are_counted_by_family(tables):
    everything = tables.bounds.assign(vacuous=True)
    n = len(Arranged(tables).audit)
    text = sentences(replace(tables, bounds=everything))
    assert f"All bounds on all {n} changes are vacuous." in text and "stays open" in text
    some = tables.bounds.assign(vacuous=tables.bounds["shift"] == "gaussian_displacement")
    moved = int((Arranged(tables).audit["shift"] == "gaussian_displacement").sum())
    assert f"Every bound is vacuous for {moved} of {n} changes: all under gaussian displacement." in sentences(
        replace(tables, bounds=some)
    )
    none = replace(tables, bounds=tables.bounds.assign(vacuous=False))
    assert "Every change has a bound that is not vacuous." in sentences(none)


def test_the_headline_says_of_what_it_speaks(tables):
    """Of all changes, clear or not, some have vacuous bounds only; of several networks one loses most; and a layer that
    only one network has does not compress in every network."""
    some = tables.bounds.assign(vacuous=tables.bounds["shift"] == "gaussian_displacement")
    n = len(Arranged(tables).audit)
    assert (
        f"{n // 3} of {n} changes have vacuous bounds only." in Verdict(Arranged(replace(tables, bounds=some))).headline
    )
    twice = several(tables)
    assert re.search(
        r"layer \d loses at least [\d.]+ % under [a-z ]+ \(\w\S*, β = 0.1\)", Verdict(Arranged(twice)).headline
    )
    falls = dict(zip((1, 16, 1000), (3.0, 2.0, 1.0), strict=True))
    for epoch, value in falls.items():
        place = {"quantity": "I_X_T", "shift": "reference", "layer": [4, 5], "epoch": epoch}
        twice = with_brackets(twice, value - 0.1, value + 0.1, **place)
    alone = twice.information[~((twice.information["network"] == "other") & (twice.information["layer"] == 5))]
    still = replace(only(twice, shift=["reference"]), information=alone[alone["shift"] == "reference"])
    assert "layers 4 and 5 compress" not in Verdict(Arranged(still)).headline.lower()
    assert "layer 4 compresses over training in every network" in Verdict(Arranged(still)).headline.lower()


def test_a_violated_bound_comes_first(tables):
    bounds = tables.bounds.copy()
    bounds.loc[bounds.index[where(bounds, concerns="deviation")][0], "holds"] = False
    found = replace(tables, bounds=bounds)
    assert Verdict(Arranged(found)).headline.startswith("1 bound is violated; ")
    assert "1 bound is violated: an estimate, a distance or the code is wrong." in sentences(found)


def test_training_is_told_from_the_brackets_of_every_seed(tables):
    curves = {2: (1.0, 3.0, 2.0), 3: (1.0, 2.0, 3.0), 4: (1.0, 1.05, 1.0), 5: (3.0, 2.0, 1.0)}
    for layer, values in curves.items():
        for epoch, value in zip((1, 16, 1000), values, strict=True):
            place = {"quantity": "I_X_T", "shift": "reference", "layer": layer, "epoch": epoch}
            tables = with_brackets(tables, value - 0.1, value + 0.1, **place)
    seed = {"quantity": "I_X_T", "shift": "reference", "layer": 1, "seed": 0}
    for epoch, value in ((1, 1.0), (16, 8.0), (1000, 5.0)):
        tables = with_brackets(tables, value, value, **seed, epoch=epoch)
    for epoch, value in ((1, 1.0), (16, 8.0), (1000, 8.1)):
        tables = with_brackets(tables, value, value, **{**seed, "seed": 1}, epoch=epoch)
    text = sentences(tables)
    assert "layer 1 rises (by at least 7.00 nats), in some seeds then compresses" in text
    assert "Training, over epochs 1 to 1000 in every seed: " in text
    assert "layer 2 rises, then compresses (by at least 0.800 nats)" in text
    assert "layer 5 compresses from the start (by at least 1.80 nats)" in text
    assert "layer 3 rises (by at least 1.80 nats)" in text and "layer 4 does not change beyond the brackets" in text


@pytest.mark.parametrize(
    ("config", "epochs", "words"),
    [
        ({"training": None, "network": {}}, [1000], "The network was given and not trained here."),
        ({"training": {}, "networks": [{"name": NETWORK, "training": None}]}, [1000], "The network was given"),
        ({"training": None}, [1, 16, 1000], "The network was given and not trained here; over its epochs 1 to 1000"),
        ({"training": {}}, [1000], "Training was not followed: only one epoch was measured."),
        ({"training": {}}, [1, 1000], "Training was not followed: only two epochs were measured."),
    ],
)
def test_what_was_not_trained_or_not_followed_is_said_so(tables, config, epochs, words):
    assert words in sentences(replace(only(tables, epoch=epochs), config=config))


def test_the_bounds_on_the_label_are_counted(tables):
    rows = tables.bounds[where(tables.bounds, theorem="tv_seed", layer=5, epoch=1000, shift="contamination")]
    rows = rows[rows["size"] > 0].assign(theorem="label_tv", concerns="label", holds=True, tightest=False)
    rows["bound"] = [-0.1, 0.2, 0.3, 0.25][: len(rows)]
    rows["vacuous"] = rows["bound"] <= 0
    text = sentences(replace(tables, bounds=pd.concat([tables.bounds, rows], ignore_index=True)))
    assert "a positive I(T; Y) of the last layer in 3 of 4 cases (laws and seeds): 0.200 to 0.300 nats." in text


def several(tables: SweepTables) -> SweepTables:
    """The same network once more, under another name."""
    frames = {name: getattr(tables, name) for name in TABLES}
    twice = {
        name: pd.concat([frame, frame.assign(network="other")], ignore_index=True) if "network" in frame else frame
        for name, frame in frames.items()
    }
    return replace(tables, **twice)


def parts(tables: SweepTables) -> SweepTables:
    frames = {name: getattr(tables, name) for name in TABLES}
    twice = {
        name: pd.concat([frame.assign(split=part) for part in ("train", "test")], ignore_index=True)
        for name, frame in frames.items()
        if "split" in frame
    }
    return replace(tables, **twice)


KINDS = {
    "whole": lambda tables: tables,
    "no shifts": lambda tables: only(tables, shift=["reference"]),
    "no shifts, one epoch": lambda tables: only(tables, shift=["reference"], epoch=[1000]),
    "one layer": lambda tables: only(tables, layer=[0, 1]),
    "one seed": lambda tables: only(tables, seed=[0]),
    "several networks": several,
    "train and test": parts,
    "several networks, no shifts": lambda tables: only(several(tables), shift=["reference"]),
    "all vacuous": lambda tables: replace(tables, bounds=tables.bounds.assign(vacuous=True)),
    "no bounds": lambda tables: replace(tables, bounds=tables.bounds[:0], worst_case=tables.worst_case[:0]),
    "all failed": lambda tables: replace(
        tables,
        information=tables.information.assign(status="failed", **dict.fromkeys(NUMBERS, math.nan)),
        bounds=tables.bounds[:0],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sweep_has_a_headline_of_one_sentence(tables, kind):
    found = KINDS[kind](tables)
    verdict = Verdict(Arranged(found))
    text = verdict.headline
    assert 10 < len(text) <= MOST and text.endswith(".") and not re.search(r"[.!?]\s|\n|[*`<>]|\bnan\b|\binf\b", text)
    for _, said in bullets(verdict):
        assert said and all(re.match(r"[A-Z0-9]", words) and words.endswith(".") for words in said)
        assert not re.search(r"\bnan\b|\binf\b|None", " ".join(said))


def test_the_page_and_the_summary_say_the_same(tables, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.page.figure_style.DPI", 20)
    few = only(tables, epoch=[1000], seed=[0])
    write_report(few, tmp_path)
    verdict = Verdict(Arranged(few))
    text, page = ((tmp_path / name).read_text(encoding="utf-8") for name in ("summary.md", "report.html"))
    shown = re.sub(r"<[^>]+>", "", page)
    assert text.startswith("# szt\n\n") and headline(text) == verdict.headline and verdict.headline in shown
    for _, said in bullets(verdict):
        for words in said:
            assert words in text.replace("\\", "") and words.replace("&", "&amp;").replace("<", "&lt;") in shown
