"""What else is seen in a layer of a sweep: of the deterministic twin, of all its atoms or of some of each class."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny import tiny

from flows.execution.plan import build_plan
from ib_core.estimators.binning import binned_information
from ib_core.measures.clustering import PUBLISHED
from ib_core.networks.twin import clean_signals
from tasks.engine.recipe import reading
from tasks.store.store import Store
from tasks.sweep import measures
from tasks.sweep.collect import pictured
from tasks.sweep.laws import law_of
from tasks.sweep.networks import checkpoint


@pytest.fixture
def plan(finished_once):
    with reading(Store(finished_once / "workspace")):
        yield build_plan(tiny())


def unit_of(plan, measure, layer=2):
    """A unit of the reference law at the last epoch."""
    return replace(next(
        unit for unit in plan.stages["measures"]
        if unit.layer == layer and unit.activations.law.kind == "reference"
        and unit.activations.epoch == unit.activations.network.last
    ), measure=measure)  # fmt: skip


def built(unit, folder):
    folder.mkdir(exist_ok=True)
    unit.build(folder)
    return pd.read_parquet(folder / "measures.parquet")


def clean_of(unit):
    here = unit.activations
    return clean_signals(checkpoint(here.network, here.epoch), law_of(here.law).atoms, unit.layer)


def test_clustering_is_that_of_the_clean_signals_under_each_law(plan, tmp_path):
    unit = unit_of(plan, "clustering")
    table, clean = built(unit, tmp_path), clean_of(unit).astype(float)
    assert set(table["law"]) == {"reference", "contamination/0.2"} and set(table["n_atoms"]) == {4096}
    some = np.random.default_rng(0).choice(4096, (2, 200_000))
    apart = some[0] != some[1]
    for name, law in ((name, law_of(each)) for name, each in unit.laws.items()):
        values = table[(table["law"] == name) & table["at"].isna()].set_index("quantity")["value"]
        i, j = some[:, apart & (law.labels[some[0]] == law.labels[some[1]])]
        mass, distance = law.weights[i] * law.weights[j], np.linalg.norm(clean[i] - clean[j], axis=1)
        mean = np.average(distance, weights=mass)
        stderr = np.sqrt(np.average(((distance - mean) * mass / mass.mean()) ** 2) / len(i))
        assert abs(values["distance_within"] - mean) < 4 * stderr
        assert values["distance_within_beta"] == pytest.approx(values["distance_within"] / 0.5)
        assert PUBLISHED * 0.5 > 2 > np.ptp(clean, axis=0).max()  # one bin is wider than the layer
        assert values["H_bins"] == pytest.approx(0, abs=1e-12) and values["clusters"] == 1
        cosines = table[(table["law"] == name) & (table["quantity"] == "cosines_within")]
        assert len(cosines) == 20 and cosines["value"].sum() == pytest.approx(1)


def test_thirty_bins_fit_the_activation_and_widths_are_a_curve(plan, tmp_path):
    unit = unit_of(plan, "binning")
    table, clean = built(unit, tmp_path), clean_of(unit)
    here = table[table["law"] == "reference"]
    values = here[here["at"].isna()].set_index("quantity")["value"]
    law = law_of(unit.activations.law)
    expected = binned_information(clean[:, None], np.linspace(-1, 1, 31), weights=law.weights, labels=law.labels)
    # A signal within a rounding error of an edge may count to either side.
    assert values["I_X_bins"] == pytest.approx(expected.information, abs=1e-2)
    assert values["I_bins_Y"] == pytest.approx(expected.label_information, abs=1e-2)
    curve = here[here["quantity"] == "I_X_bins_by_width"].sort_values("at")
    assert curve["at"].tolist() == [1e-4, 1e-3, 7e-3, 1e-2, 7e-2, 1e-1, 5e-1]
    assert curve["value"].iloc[0] > curve["value"].iloc[-1] and curve["value"].max() <= np.log(4096) + 1e-9


def test_claims_are_made_of_the_stored_passes(plan, tmp_path):
    table = built(unit_of(plan, "claims"), tmp_path)
    here = table[table["law"] == "reference"]
    values = here[here["at"].isna()].set_index("quantity")["value"]
    for kind in ("twin", "passes"):
        assert values[f"pairwise_{kind}_low"] < values[f"pairwise_{kind}_high"]
    density = here[here["quantity"] == "kernel_density"].set_index("at")["value"]
    assert density[1e-3] > density[1e-1] > values["pairwise_twin_high"]  # beta^2 is .25
    assert np.isfinite(values["unpooled"])


def test_some_atoms_of_each_class_stand_for_all_of_a_wide_layer(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(measures, "CLEAN_BYTES", 4 * 2 * 512)
    found = built(unit_of(plan, "clustering"), tmp_path / "some")
    assert set(found["n_atoms"]) == {512} and set(found["law"]) == {"reference", "contamination/0.2"}
    monkeypatch.undo()
    whole = built(unit_of(plan, "clustering"), tmp_path / "all")
    key = ["law", "quantity", "at"]
    both = found.merge(whole, on=key, suffixes=("", "_whole"))
    distances = both[both["quantity"].isin(["distance_within", "distance_between"])]
    np.testing.assert_allclose(distances["value"], distances["value_whole"], rtol=0.1)


@pytest.mark.parametrize("most", [1, 7, 30, 100])
def test_a_stratified_part_has_of_each_class_its_share(most):
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [50, 30, 20]))
    rows = measures.stratified(labels, most)
    assert len(rows) == most and (np.diff(rows) > 0).all()
    counts = np.bincount(labels[rows], minlength=3)
    assert (np.abs(counts - most * np.array([0.5, 0.3, 0.2])) <= 1).all()


def test_a_wide_layer_is_measured_where_its_passes_are_not_needed():
    config = tiny(estimator={"widest": 2}).model_copy(update={"measures": ["clustering", "claims"]})
    asked = {(unit.layer, unit.measure) for unit in build_plan(config).stages["measures"]}
    assert asked == {(1, "clustering"), (2, "clustering"), (2, "claims")}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [([3], [3]), ([0, 9], [0, 9]), ([1, 2, 5], [1, 2, 5]), ([1, 2, 4, 8, 16, 32, 64], [1, 4, 16, 64])],
)
def test_the_scatter_has_the_first_the_last_and_two_epochs_between(kept, expected):
    assert pictured(kept) == expected
