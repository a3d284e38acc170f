"""A whole small sweep, in this process: what its tables promise, and how it stops."""

import math
import shutil

import pandas as pd
import pytest
from tiny import run_tiny, tiny

from flows.plan import build_plan
from flows.study import open_run, shift_sweep_stages
from tasks.progress import Observer, Stopped
from tasks.store import Store
from tasks.tables import load_tables, read_law

CELL = ["network", "beta", "seed", "epoch", "layer", "shift", "size"]


@pytest.fixture(scope="module")
def tables(finished_once):
    return load_tables(finished_once / "workspace" / "sweeps" / "tiny")


def test_a_shift_of_size_zero_deviates_by_exactly_zero(tables):
    deviations = tables.information[tables.information.quantity == "dI_X_T"]
    zero = deviations[deviations["size"] == 0]
    assert set(zero["shift"]) == {"reference", "contamination", "gaussian_displacement"}
    assert (zero.value == 0).all() and (zero.stderr == 0).all()


def test_every_estimate_has_its_bracket_and_stays_under_its_cap(tables):
    found = tables.information[tables.information.quantity == "I_X_T"].set_index([*CELL, "estimator"])
    ends = found.value.unstack("estimator")
    errors = found.stderr.unstack("estimator")
    assert (ends.held_out <= ends.plug_in + 4 * errors.max(axis=1)).all()
    assert (found.upper >= found.value).all() and (found.lower <= found.value).all()
    assert (found.upper <= math.log(4096) + 6 * found.stderr).all()
    layers = ends.plug_in.unstack("layer")
    low = found.lower.xs("plug_in", level="estimator").unstack("layer")
    assert (low[2] <= layers[1] + 1e-9).all()  # data processing within brackets


def test_deviations_are_differences_of_their_two_estimates(tables):
    found = tables.information[tables.information.estimator == "plug_in"].set_index(CELL)
    values = found[found.quantity == "I_X_T"].value
    reference = values.xs("reference", level="shift").droplevel("size")
    moved = found[found.quantity == "dI_X_T"].value
    keys = moved.index.droplevel(["shift", "size"])
    assert ((values.reindex(moved.index) - reference.reindex(keys).to_numpy()) - moved).abs().max() < 1e-12


def test_no_bound_is_violated_and_every_deviation_has_every_theorem(tables):
    assert tables.bounds.holds.all()
    theorems = tables.bounds.groupby(CELL).theorem.agg(frozenset)
    assert set(theorems) == {
        frozenset({"tv_seed", "tv_capacity", "kl_seed", "kl_capacity", "wasserstein", "estimation_risk"})
    }
    moved = tables.bounds[(tables.bounds["shift"] == "gaussian_displacement") & (tables.bounds["size"] > 0)]
    assert moved[moved.theorem.isin(["tv_seed", "kl_seed"])].vacuous.all()


def test_laws_carry_their_distances_and_how_they_were_obtained(tables):
    laws = tables.laws.set_index("law")
    assert laws.loc["contamination/0.2"].tv == pytest.approx(0.2)
    assert laws.loc["gaussian_displacement/0.1"].w2 == pytest.approx(0.1)
    assert math.isinf(laws.loc["gaussian_displacement/0.1"].kl)
    assert laws.filter(like="_how").map(lambda how: how.startswith("exact")).all(axis=None)


def test_stored_laws_are_the_enumerated_atoms(finished_once):
    store = Store(finished_once / "workspace")
    for unit in build_plan(tiny()).stages["data"]:
        law = read_law(store.get("data", unit.identity).file("law.parquet"))
        assert law.atoms.shape == (4096, 12) and law.weights.sum() == pytest.approx(1)


def test_information_is_the_same_whatever_the_order_of_the_work(finished_once, tmp_path):
    run_tiny(tmp_path, stages=("data", "training", "activations"))
    run = open_run(tiny(), tmp_path)
    for unit in reversed(run.plan().stages["information"]):
        (ended,) = run.pool.map([unit], run.stop)
        assert ended.state == "computed"
    run_tiny(tmp_path)
    ours, theirs = (
        pd.read_parquet(folder / "sweeps" / "tiny" / "information.parquet")
        for folder in (tmp_path, finished_once / "workspace")
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_training_goes_on_from_its_last_checkpoint_with_the_same_bits(finished_once, tmp_path):
    (unit,) = build_plan(tiny()).stages["training"]
    whole = Store(finished_once / "workspace").get("training", unit.identity)
    run_tiny(tmp_path, stages=("data",))
    store = Store(tmp_path)
    store.scratch(unit.identity).mkdir(parents=True)
    shutil.copy(whole.file("epoch_0000001.safetensors"), store.scratch(unit.identity))
    (store.scratch(unit.identity) / "epoch_0000002.safetensors").write_bytes(b"torn")
    run_tiny(tmp_path, stages=("data", "training"))
    again = store.get("training", unit.identity)
    assert again.manifest["files"] == whole.manifest["files"]
    assert not store.scratch(unit.identity).exists()


def test_a_request_to_stop_ends_between_two_units(tmp_path):
    run = open_run(tiny(), tmp_path)

    class StopAfterOneCell(Observer):
        def advance(self, stage, label, state, seconds):
            if stage == "information":
                run.stop("SIGTERM")

    run.observer = StopAfterOneCell()
    with pytest.raises(Stopped, match="SIGTERM"):
        shift_sweep_stages(run, lambda _, work: work())
    assert len(run.store.published("information")) == 1
    assert (tmp_path / "sweeps" / "tiny" / "plan.json").exists()
