"""A sweep that asks for a card, for which torch's CPU stands: the whole way of the data, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from tiny import run_tiny, without_balls

from flows.studies.shift_sweep import plan
from ib_core import arrays
from ib_core.sampling import draws
from tasks.engine.recipe import reading
from tasks.sweep.activations import signals_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same sweep on the CPU, and on a device that trains and propagates too."""
    here = run_tiny(tmp_path_factory.mktemp("here"), without_balls())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "CARD", "cpu")
        patch.setattr(plan, "LARGE", 0)
        patch.setattr(arrays, "resident", lambda device: device is not None)
        patch.setattr(draws, "DEVICE_POINTS", 2048)
        there = run_tiny(tmp_path_factory.mktemp("there"), without_balls(resources={"gpus": 0.5, "workers": 0}))
    return here, there


def cells(run):
    table = pd.read_parquet(run.folder / "information.parquet")
    return table[(table.layer > 0) & (table.quantity == "I_X_T") & (table.estimator == "upper")].reset_index(drop=True)


def test_brackets_of_both_are_of_the_same_truth(runs):
    here, there = map(cells, runs)
    keys = ["epoch", "layer", "shift", "size"]
    assert (here[keys] == there[keys]).all(axis=None) and (there.status == "ok").all()
    assert (np.maximum(here.lower, there.lower) <= np.minimum(here.upper, there.upper)).all()
    assert (here.value != there.value).any()  # draws and passes are others


def test_what_a_device_made_has_an_identity_of_its_own_and_the_journal_says_so(runs):
    here, there = runs
    for stage in ("training", "activations", "information"):
        ours, theirs = ({unit.identity for unit in run.plan().stages[stage]} for run in runs)
        assert not ours & theirs
        made = [entry for entry in there.store.journal() if entry["event"] == "computed" and entry["stage"] == stage]
        assert made and all(entry["device"] == "cpu" for entry in made)
        assert not any("device" in entry for entry in here.store.journal())
    assert {unit.identity for unit in here.plan().stages["laws"]} == {
        unit.identity for unit in there.plan().stages["laws"]
    }


def test_passes_of_a_device_are_of_the_networks_law(runs):
    signals = []
    for run in runs:
        with reading(run.store):
            (unit, *_) = (each for each in run.plan().stages["activations"] if each.law.kind == "reference")
            signals.append(signals_of(unit, 2))
    here, there = signals
    assert here.shape == there.shape and not np.array_equal(here, there)
    # Two passes of 4096 inputs by the same weights: in the mean over inputs they agree.
    error = (here - there).std() / np.sqrt(here.shape[0] * here.shape[1])
    assert np.abs((here - there).mean((0, 1))).max() < 4.5 * error
