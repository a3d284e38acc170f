"""A whole small sweep, in this process: what its tables promise, and how it stops."""

import math
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tiny import TINY, run_tiny, tiny, without_balls

from flows.execution.plan import build_plan
from flows.execution.run import open_run, run_study
from flows.settings.load import load_config
from flows.studies.shift_sweep.plan import sweep_units
from flows.studies.shift_sweep.resolved import read_data
from flows.studies.shift_sweep.settings import SweepConfig
from ib_core.bounds import theorems, theorems_page
from ib_core.bounds.theorem import Bound, Theorem
from ib_core.laws.divergences import kl_divergence
from ib_core.laws.family import shifted
from ib_core.sources import szt
from tasks.engine.make import make
from tasks.engine.progress import Observer, Stopped
from tasks.engine.recipe import reading
from tasks.store.parquet import read_table
from tasks.store.store import Store
from tasks.sweep import bottleneck
from tasks.sweep.bounds import Bounds
from tasks.sweep.laws import law_of
from tasks.sweep.report import audit
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.report import number_of_figures
from tasks.sweep.report.tables import applied, bracket_table
from tasks.sweep.schema import ESTIMATE, columns, shaped
from tasks.sweep.slices import Slices
from tasks.sweep.tables import TABLES, load_tables
from tasks.sweep.tracking.points import Quantities, cell_points


def tables_of(config, workspace):
    """The tables that a run makes, without the pages and records that show them."""
    stages = ("data", "reference", "laws", "training", "activations", "information", "measures", "bounds")
    run = run_tiny(workspace, config, stages=stages)
    (unit,) = run.plan().stages["bounds"]
    return load_tables(run.store.get("bounds", unit.identity).folder)


def test_as_many_figures_are_forecast_as_are_drawn(finished_once):
    (report,) = build_plan(load_config(str(finished_once / "tiny.yaml"))).stages["report"]
    drawn = list((finished_once / "workspace" / "sweeps" / "tiny" / "latest" / "figures").iterdir())
    assert len(drawn) == number_of_figures(report.tables)


@pytest.fixture(scope="module")
def tables(finished_once):
    return load_tables(finished_once / "workspace" / "sweeps" / "tiny" / "latest")


def test_a_shift_of_size_zero_deviates_by_exactly_zero(tables):
    deviations = tables.information[tables.information.quantity == "dI_X_T"]
    zero = deviations[deviations["size"] == 0]
    assert set(zero["shift"]) == {"reference", "contamination", "gaussian_displacement"}
    assert (zero.value == 0).all() and (zero.stderr == 0).all()


def test_every_estimate_has_its_bracket_and_stays_under_its_cap(tables):
    found = tables.information[tables.information.quantity == "I_X_T"].set_index([*ESTIMATE, "estimator"])
    ends = found.value.unstack("estimator")
    errors = found.stderr.unstack("estimator")
    assert (ends.lower <= ends.upper + 4 * errors.max(axis=1)).all()
    high, low = (end.xs("upper", level="estimator").unstack("layer") for end in (found.upper, found.lower))
    assert (low.to_numpy() <= high.to_numpy()).all() and (high <= math.log(4096) + 1e-9).all().all()
    assert (low[2] <= high[1] + 1e-9).all()  # data processing within brackets
    forms = tables.information[tables.information.estimator == "lower"].query("quantity == 'I_X_T'")
    assert set(forms.form[forms.layer == 1]) == {"exact"} and "exact" not in set(forms.form[forms.layer == 2])


def test_deviations_are_differences_of_opposite_ends(tables):
    found = tables.information[tables.information.layer > 1].set_index([*ESTIMATE, "estimator"])
    values = found[found.quantity == "I_X_T"].value.unstack("estimator")
    changes = found[(found.quantity == "dI_X_T") & (found.index.get_level_values("size") > 0)].value.unstack(
        "estimator"
    )
    reference = values.xs("reference", level="shift").droplevel("size")
    reference = reference.reindex(changes.index.droplevel(["shift", "size"])).set_index(changes.index)
    values = values.reindex(changes.index)
    assert (values.lower - reference.upper - changes.lower).abs().max() < 1e-12
    assert (values.upper - reference.lower - changes.upper).abs().max() < 1e-12
    rows = found[found.quantity == "dI_X_T"].xs("bracket", level="estimator")
    assert ((rows.lower + rows.upper) / 2 - rows.value).abs().max() < 1e-12
    assert ((rows.upper - rows.lower) / 6 - rows.stderr).abs().max() < 1e-12


def test_no_bound_is_violated_and_every_deviation_has_every_theorem(tables):
    bounds = tables.bounds
    deviations = bounds[bounds.concerns == "deviation"]
    assert deviations.holds.all() and bounds[~bounds.concerns.isin(["deviation", "label"])].holds.isna().all()
    labels = bounds[bounds.concerns == "label"]
    assert labels.holds.all() and set(labels.layer) == {2} and set(labels["shift"]) == {"contamination"}
    assert labels.groupby(ESTIMATE).theorem.agg(frozenset).eq({"label_tv", "label_kl"}).all()
    kl = {"kl_seed", "kl_capacity", "kl_pointwise", "kl_golden"}
    every = {"tv_seed", "tv_capacity", "tv_golden", "wasserstein", "polyanskiy_wu"} | kl
    directional = {"tv_directional", "tv_directional_measured"}
    theorems = deviations.groupby(ESTIMATE).theorem.agg(frozenset)
    moved = (bounds["shift"] == "gaussian_displacement") & (bounds["size"] > 0)
    assert set(theorems) == {
        frozenset(every),
        frozenset(every | directional),
        frozenset(every | {"wasserstein_coupled"}),
    }
    assert bounds[moved & bounds.theorem.isin(["tv_seed", "tv_golden", *kl])].vacuous.all()
    after = bounds[moved & (bounds.concerns == "deviation")].pivot(
        index=["epoch", "layer"], columns="theorem", values="bound"
    )
    assert (after.wasserstein_coupled <= after.wasserstein).all() and (after.wasserstein < after.polyanskiy_wu).all()


def test_every_table_has_the_columns_and_types_of_the_schema(finished_once):
    for name in TABLES:
        found = pq.read_schema(finished_once / "workspace" / "sweeps" / "tiny" / "latest" / f"{name}.parquet")
        empty = pa.Schema.from_pandas(shaped(name, []), preserve_index=False)
        assert found.names == empty.names == list(columns(name)), name
        kinds = {name: (found.field(name).type, kind) for name, kind in zip(empty.names, empty.types, strict=True)}
        assert all(one == other for one, other in kinds.values() if other != pa.null()), (name, kinds)


def test_a_theorem_that_is_added_to_the_table_is_everywhere(finished_once, tmp_path, monkeypatch):
    words = {"statement": "|ΔI| ≤ 1.5", "hypotheses": "Always.", "source": "nobody", "function": None}
    found = {"concerns": ("deviation",), "quantity": "change", "bound": lambda case: Bound(1.5, "said so")}
    more = Theorem(name="trial", label="Trial: 3/2", distance="hellinger", **words, **found)
    ball = Theorem(name="trial_of_balls", label="Trial of balls", distance="kl", form="trial", **words, **found)
    monkeypatch.setattr(theorems, "THEOREMS", (*theorems.THEOREMS, more, ball))
    monkeypatch.setattr(bottleneck, "MULTIPLIERS", bottleneck.MULTIPLIERS[:1])

    (recipe,) = build_plan(tiny()).stages["bounds"]
    with reading(Store(finished_once / "workspace")):
        recipe.build(tmp_path)
    tables = load_tables(tmp_path)
    deviations = tables.bounds[tables.bounds.concerns == "deviation"]
    mine = deviations[deviations.theorem == "trial"]
    assert len(mine) == len(deviations.drop_duplicates(ESTIMATE))
    assert (mine.bound == 1.5).all() and (mine.note == "said so").all() and mine.holds.all()
    assert (tables.worst_case.trial_form == 1.5).all()
    assert {"bound_hellinger/L1", "bound_hellinger/L2"} <= set(cell_points(tables, Quantities.of(tables)).name)
    assert "### `trial`" in theorems_page.page() and "> |ΔI| ≤ 1.5" in theorems_page.page()
    view = Arranged(tables)
    shown = [table for case in view.cases for table in audit.tables(view, case)]
    assert shown and all("Trial: 3/2" in table.head for table in shown)
    assert {"trial", "trial_of_balls"} <= {theorem.name for theorem in applied(view)}


def test_certificates_enclose_the_shifted_information(tables):
    certified = tables.bounds[tables.bounds.upper.notna()].set_index(ESTIMATE)
    estimates = tables.information[(tables.information.quantity == "I_X_T") & (tables.information.estimator == "upper")]
    shifted = estimates.set_index(ESTIMATE).loc[certified.index]
    assert len(certified) and (certified.lower <= shifted.upper).all() and (shifted.lower <= certified.upper).all()
    part = certified[certified.monte_carlo.notna()]
    assert len(part) and part.monte_carlo.between(0, part.bound + 1e-12).all()
    assert (part.bound[part.index.get_level_values("size") == 0] == 0).all()


def test_an_estimate_on_clean_data_is_off_by_shift_and_risk(tables):
    found = tables.bounds.pivot(index=ESTIMATE, columns="theorem", values="bound")
    tightest = tables.bounds[tables.bounds.tightest].groupby(ESTIMATE).bound.min()
    # The estimate is one of clean data, under whose law it errs; a size of 0 is that law, whatever the family.
    clean = found.enumerated_risk.unstack(["shift", "size"])["contamination", 0.0]
    risk = clean.reindex(found.index.droplevel(["shift", "size"])).to_numpy()
    assert (found.shift_and_risk - risk - tightest).abs().max() < 1e-12
    assert (found.shift_and_risk - found.enumerated_risk - tightest).abs().max() > 1e-3


def test_a_change_is_predicted_from_clean_data_and_split_in_two(tables):
    found = tables.attribution
    assert set(found["shift"]) == {"contamination"} and np.allclose(found.epsilon, 0.2)
    change = tables.information.query("quantity == 'dI_X_T' and estimator == 'bracket'").set_index(ESTIMATE)
    change = change.loc[pd.MultiIndex.from_frame(found[ESTIMATE])]
    assert (change.lower.to_numpy() == found.change_low).all() and (change.upper.to_numpy() == found.change_high).all()
    assert (found.mass + found.mixing - found.change).abs().max() < 1e-12
    # Each term has controls of its own, so that the identity holds within the Monte Carlo error.
    error = np.sqrt(found.predicted_stderr**2 + found.divergence_stderr**2 + found.change_stderr**2)
    assert ((found.predicted - found.divergence - found.change).abs() < 4 * error).all()
    assert (found.divergence > -4 * found.divergence_stderr).all()
    # The atom that gains the mass knows nothing by itself.
    assert (found.mass < 0).all()


def test_the_worst_case_is_an_ordinary_law_within_every_bound(tables, finished_once):
    found = tables.worst_case
    assert list(found["layer"]) == [1, 2] and (found.epoch == 2).all() and found.holds.all()
    assert (found.gap < 1e-6).all()
    assert (found.rise + 3 * found.rise_stderr > 0).all() and (found.fall + 3 * found.fall_stderr > 0).all()
    assert (found.lower <= found.smallest + 3 * found.smallest_stderr).all() and (
        found.largest - 3 * found.largest_stderr <= found.upper
    ).all()
    for row in found.itertuples():
        file, column = row.law.split("#")
        weights = pd.read_parquet(finished_once / "workspace" / "sweeps" / "tiny" / "latest" / file)[column].to_numpy()
        assert weights.shape == (4096,) and weights.sum() == pytest.approx(1)
        assert kl_divergence(weights, np.full(4096, 1 / 4096)) == pytest.approx(0.1)


def test_a_law_from_a_file_is_pinned_by_its_numbers(finished_once, tmp_path):
    (source,) = (finished_once / "workspace" / "sweeps" / "tiny" / "latest" / "worst_case").glob("*L2.parquet")
    table = pd.read_parquet(source).assign(last=np.eye(4096)[-1])
    table.to_csv(tmp_path / "law.csv", index=False)
    shifts = [
        {"family": "information_tilt", "sizes": [0.1], "parameters": {"pointwise": "law.csv#pointwise"}},
        {"family": "law_mixture", "sizes": [0.1], "parameters": {"weight": "law.csv#last"}},
    ]
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({**TINY, "shifts": shifts}))
    config = load_config(str(tmp_path / "sweep.yaml"))
    made = {unit.label: unit for unit in build_plan(config).stages["laws"]}
    mixture = made["law_mixture/0.1"]
    for unit in (mixture.reference.data, mixture.reference, mixture):
        assert make(unit, str(tmp_path)).state == "computed"
    with reading(Store(tmp_path)):
        found = law_of(mixture)
    np.testing.assert_allclose(found.weights, shifted("contamination", szt.law(), 0.1).law.weights, atol=1e-15)
    table.assign(pointwise=table.pointwise**2).to_csv(tmp_path / "law.csv", index=False)
    again = {unit.label: unit for unit in build_plan(config).stages["laws"]}
    assert again["information_tilt/0.1"].identity != made["information_tilt/0.1"].identity
    assert again["law_mixture/0.1"].identity == mixture.identity
    assert "changed" in make(made["information_tilt/0.1"], str(tmp_path)).message


def test_laws_carry_their_distances_and_how_they_were_obtained(tables):
    laws = tables.laws.set_index("law")
    assert laws.loc["contamination/0.2"].tv == pytest.approx(0.2)
    assert laws.loc["gaussian_displacement/0.1"].w2 == pytest.approx(0.1)
    assert math.isinf(laws.loc["gaussian_displacement/0.1"].kl)
    assert laws.filter(like="_how").map(lambda how: how.startswith("exact")).all(axis=None)


def test_stored_laws_are_the_enumerated_atoms(finished_once):
    store = Store(finished_once / "workspace")
    stages = build_plan(tiny()).stages
    with reading(store):
        for unit in stages["reference"] + stages["laws"]:
            law = law_of(unit)
            assert law.atoms.shape == (4096, 12) and law.weights.sum() == pytest.approx(1)
            names = pq.read_schema(unit.file("law.parquet")).names
            assert (unit.kind == "reweighted") == (names == ["weight"])  # atoms are stored once


def test_information_is_the_same_whatever_the_order_of_the_work(tables, tmp_path):
    run_tiny(tmp_path, without_balls(), stages=("data", "reference", "laws", "training", "activations"))
    run = open_run(without_balls(), tmp_path)
    for unit in reversed(run.plan().stages["information"]):
        (ended,) = run.pool.map([unit], run.stop)
        assert ended.state == "computed"
    ours = tables_of(without_balls(), tmp_path).information
    pd.testing.assert_frame_equal(ours, tables.information, check_exact=True)


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
        run_study(run, lambda _, work: work())
    assert len(run.store.published("information")) == 1
    (left,) = (tmp_path / "sweeps" / "tiny").iterdir()
    assert left.name == tiny().variant and (left / "plan.json").exists()


def test_slices_are_rows_beside_those_of_the_layer(tables, tmp_path):
    assert "I_X_UT" not in set(tables.information.quantity)  # no layer is saturated: "auto" measures no projection
    config = without_balls(estimator={**TINY["estimator"], "slices": {"kind": "random", "k": 3, "n": 2}})
    stages = build_plan(config).stages
    assert all(cell.slices == Slices("random", 3, 2) for cell in stages["information"])
    table = tables_of(config, tmp_path).information
    found = table[table.quantity == "I_X_UT"]
    layer = table[table.quantity == "I_X_T"]
    assert set(found.estimator) == {"upper", "lower"}
    assert len(found) == 2 * layer.drop_duplicates(ESTIMATE).shape[0]
    assert found[["lower", "upper", "stderr", "saturation", "draws", "n_passes", "reached"]].notna().all().all()
    assert set(found.form[(found.layer == 1) & (found.estimator == "lower")]) == {"exact"}
    before, after = (
        frame[frame.quantity != "I_X_UT"].drop(columns="code").reset_index(drop=True)
        for frame in (tables.information, table)
    )
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    ends = [frame[frame.estimator == "upper"].set_index(ESTIMATE) for frame in (found, layer)]
    # Layers of three and of two units: their projections on three, or all, directions are rotations.
    assert (ends[0].lower <= ends[1].upper.reindex(ends[0].index)).all()
    assert (ends[0].upper >= ends[1].lower.reindex(ends[0].index)).all()


@pytest.mark.parametrize("kind", ["auto", "none", "discriminant"])
def test_slices_are_measured_where_they_are_asked_for(kind, tmp_path):
    config = without_balls(
        network={"betas": [0.004]},
        training={"epochs": 1, "checkpoints": 1},
        # A discriminant direction of two classes, and a principal one.
        estimator={"slices": {"kind": kind, "k": 2 if kind == "discriminant" else 1}},
    )
    view = Arranged(tables_of(config, tmp_path))
    saturated = view.information.groupby("layer").saturation.max() > 0.95
    assert saturated[1] and not saturated[2]
    expected = {"auto": {1}, "none": set(), "discriminant": {1, 2}}[kind]
    assert set(view.projected.layer) == expected
    assert set(view.projected["shift"]) == (set(view.information["shift"]) if expected else set())
    assert (view.projected.saturation < 0.96).all()
    table = bracket_table(view)
    assert [row[2] for row in table.rows if row[2].endswith("UT")] == [f"{layer}, UT" for layer in sorted(expected)]
    assert ("I(X; UT)" in table.caption) == bool(expected)
    names = {name for name in cell_points(view.tables, Quantities.of(view.tables)).name if "UT" in name}
    assert names == {f"I_X_UT/L{layer}" for layer in expected}


def test_a_sweep_without_shifts_measures_the_reference_alone(tmp_path):
    config = SweepConfig.model_validate({**TINY, "shifts": [], "worst_case": {"kl": []}})
    run = run_tiny(tmp_path, config)
    information = read_table(run.folder / "information.parquet").to_pandas()
    assert set(information["shift"]) == {"reference"} and (information["status"] == "ok").all()
    page = (run.folder / "report.html").read_text()
    assert "Every cell was computed" in page and "Not drawn: shift" not in page


def test_shuffled_labels_make_other_data_of_the_same_points():
    plain, shuffled = (read_data(tiny(data={"source": "szt", **more}))[0] for more in ({}, {"shuffle_labels": 0}))
    assert plain.digest != shuffled.digest and plain.n == shuffled.n
    assert read_data(tiny(data={"source": "szt", "shuffle_labels": 0}))[0].identity == shuffled.identity
    assert rule_of(tiny(data={"source": "szt"})) == "szt" and rule_of(tiny(data={"shuffle_labels": 0})) is None


def rule_of(config):
    """The source whose soft rule the bottleneck is drawn for."""
    return next(unit for unit in sweep_units(config) if isinstance(unit, Bounds)).rule
