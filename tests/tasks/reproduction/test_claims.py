"""Claims are judged by what the tables hold: where cells failed or settings left something out, they stay open."""

import importlib
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_sweep import BETAS, NETWORK, SEEDS, synthetic_tables

from ib_core.channels.closed_forms import noise_entropy
from tasks.calibration.tables import CalibrationTables
from tasks.page import figure_style
from tasks.reproduction.reproduction import REPRODUCTIONS
from tasks.reproductions import single_neuron
from tasks.reproductions.shift_szt_mnist import chosen, relative_spans
from tasks.sweep.report.arranged import Arranged

NUMBERS = ("information", "bounds", "attribution", "worst_case", "measures", "history", "layers", "signals")
CALIBRATION = ("part", "law", "d", "beta", "n", "quantity", "value", "stderr", "truth", "status")
NUMERIC = {"d", "beta", "n", "value", "stderr", "truth"}
SLOPES = ("law", "d", "beta", "quantity", "value", "stderr")


@pytest.fixture(scope="module")
def tables():
    families = {"contamination": ("tv", (0.0, 0.1)), "gaussian_displacement": ("w2", (0.0, 0.2))}
    return synthetic_tables(families=families, epochs=(0, 4, 64))


def failed(tables):
    """The tables of a sweep whose cells failed."""
    lost = dict.fromkeys(("value", "stderr", "lower", "upper"), math.nan)
    information = tables.information.assign(status="failed", **lost)
    return replace(
        tables, information=information, **{name: getattr(tables, name)[:0] for name in ("bounds", "history")}
    )


def renamed(tables, *networks):
    """The same numbers for each of these networks."""

    def each(frame):
        return pd.concat([frame.assign(network=network) for network in networks], ignore_index=True)

    return replace(tables, **{name: each(getattr(tables, name)) for name in NUMBERS if len(getattr(tables, name))})


def judged(monkeypatch, name, tables, calibration=()):
    """The claims of a study on these tables; its figures are drawn, too."""
    study, module = REPRODUCTIONS.find(name), importlib.import_module(f"tasks.reproductions.{name}")
    curves, slopes = (
        pd.DataFrame(rows, columns=names).astype({name: float for name in names if name in NUMERIC})
        for rows, names in ((calibration, CALIBRATION), ([], SLOPES))
    )
    known = CalibrationTables({"entropy": {"samples": [64, 256]}}, curves, curves[:0], slopes, curves[:0])
    monkeypatch.setattr(module, "sweep", lambda folder: Arranged(tables), raising=False)
    monkeypatch.setattr(module, "load_calibration", lambda folder: known, raising=False)
    monkeypatch.setattr(figure_style, "DPI", 30)
    results = dict.fromkeys(study.sweeps)
    with figure_style.house_style():
        assert all(plate.figure for plate in study.plates(results))
    return list(study.claims(results))


@pytest.mark.parametrize("name", REPRODUCTIONS.names)
def test_where_nothing_was_found_nothing_is_judged(name, tables, monkeypatch):
    nothing = replace(tables, **{name: getattr(tables, name)[:0] for name in NUMBERS})
    for some in (nothing, failed(tables)):
        assert {claim.agrees for claim in judged(monkeypatch, name, some)} == {None}


@pytest.mark.parametrize("name", REPRODUCTIONS.names)
def test_several_noise_levels_seeds_and_networks_are_told_apart(name, tables, monkeypatch):
    assert len(BETAS) > 1 and len(SEEDS) > 1
    for some in (tables, renamed(tables, "tanh", "shuffled", "erm", "kl")):
        assert all(claim.agrees in (True, False, None) for claim in judged(monkeypatch, name, some))


def neuron(tables, *ends):
    """One layer whose brackets these are, by epoch."""
    rows = tables.information
    rows = rows[(rows["layer"] == 1) & (rows["beta"] == BETAS[0]) & (rows["seed"] == 0)]
    low, high = (rows["epoch"].map(dict(zip((0, 4, 64), each, strict=True))) for each in zip(*ends, strict=True))
    return replace(tables, information=rows.assign(lower=low, upper=high))


@pytest.mark.parametrize(
    ("ends", "verdicts"),
    [
        ([(0.0, 0.0), (1.38, 1.386), (0.563, 0.574)], [True, True, True]),  # next to the limits
        ([(0.0, 0.5), (1.0, 1.386), (0.0, 1.386)], [None, None, None]),  # holding them shows nothing
        ([(0.1, 0.2), (1.0, 1.1), (0.7, 0.8)], [False, False, False]),
    ],
)
def test_a_wide_bracket_bears_nothing_out(ends, verdicts, tables, monkeypatch):
    found = judged(monkeypatch, "single_neuron", neuron(tables, *ends))
    assert [claim.agrees for claim in found] == verdicts and single_neuron.NEAR == 0.05


@pytest.mark.parametrize(("value", "stderr", "verdict"), [(5.4, 1e-3, True), (5.4, 1.0, None), (2.0, 1e-3, False)])
def test_a_plug_in_is_at_ln_n_where_its_interval_is(value, stderr, verdict, monkeypatch):
    row = ("entropy", "hypercube", 32, 0.5, 256, "bias", 20.0 - value, stderr, 20.0 + noise_entropy(32, 0.5), "ok")
    *_, claim = judged(monkeypatch, "rm_codes", None, [row])
    assert claim.agrees is verdict and f"ln n = {math.log(256):.4f}" in claim.found


def test_projections_of_the_last_epoch_are_read(tables, monkeypatch):
    projected = tables.information[tables.information["quantity"] == "I_X_T"].assign(quantity="I_X_UT")
    both = replace(tables, information=pd.concat([tables.information, projected], ignore_index=True))
    (claim,) = (each for each in judged(monkeypatch, "mnist_cnn", both) if "principal" in each.statement)
    assert claim.agrees is not None and claim.found.startswith("L1, noise")


def test_a_saturated_layer_is_not_compared(tables, monkeypatch):
    (claim, *_) = (each for each in judged(monkeypatch, "shift_szt_mnist", tables) if "deepest" in each.statement)
    assert "L2 [" in claim.found and "L1 [" not in claim.found


def test_relative_changes_have_the_ends_of_both_brackets(tables):
    found = Arranged(tables)
    spans, means = relative_spans(found, chosen(found)), found.relative
    means = means[(means["network"] == NETWORK) & (means["beta"] == chosen(found).beta) & means["clear"]]
    assert set(spans) == set(means["layer"]) and len(spans) > 1
    for layer, rows in means.groupby("layer"):
        assert spans[layer].low < rows["percent"].abs().max() < spans[layer].high
    rows = tables.information
    wide = np.where(rows["quantity"] == "dI_X_T", 0.02, 0.0)
    wider = Arranged(replace(tables, information=rows.assign(lower=rows["lower"] - wide, upper=rows["upper"] + wide)))
    blurred = relative_spans(wider, chosen(wider))
    assert all(blurred[layer].low < spans[layer].low and blurred[layer].high > spans[layer].high for layer in blurred)
