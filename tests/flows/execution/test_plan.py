"""The plan: what is stored, what is not, and why."""

import json
import math
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY, tiny

from flows.execution.plan import build_plan, survey
from flows.settings.load import load_config, parse_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.studies.shift_sweep.plan import EARLIER
from tasks.engine import make as making
from tasks.engine import recipe
from tasks.engine.make import make
from tasks.store.store import Store


def states(config, workspace):
    return {(state.unit.stage, state.unit.label): state for state in survey(build_plan(config), Store(workspace))}


def stale(config, workspace):
    return {stage for (stage, _), state in states(config, workspace).items() if state.state == "stale"}


def test_labels_are_unique_and_inputs_come_before(tmp_path):
    plan, seen = build_plan(tiny()), set()
    for unit in plan:
        assert all(id(source) in seen for source in unit.inputs.values())
        seen.add(id(unit))
    labels = [(unit.stage, unit.label) for unit in plan]
    assert len(set(labels)) == len(labels)


def test_reweightings_share_a_cell_and_moved_laws_have_their_own():
    plan = build_plan(tiny())
    columns = [cell.laws for cell in plan.stages["information"]]
    assert sorted(map(tuple, columns)) == sorted(
        [("reference", "contamination/0.2"), ("gaussian_displacement/0.1",)] * 4  # 2 epochs x 2 layers
    )


def test_ten_thousand_cells_are_planned_quickly_and_refused_never():
    config = tiny(network={"betas": [0.1 + k / 100 for k in range(50)], "seeds": list(range(25))})
    assert len(build_plan(config).stages["information"]) == 10_000


def test_a_change_makes_stale_what_depends_on_it_and_says_why(finished_once):
    workspace = finished_once / "workspace"
    assert {state.state for state in states(tiny(), workspace).values()} == {"ready"}

    changed = tiny(estimator={"target_stderr": 0.05})
    assert stale(changed, workspace) == {"information", "worst_case", "bounds", "report"}
    cell = states(changed, workspace)["information", "b0.5/s0/e0000001/reference/L1"]
    assert cell.reason == "setting sampling.target_stderr 0.1 -> 0.05"

    after_training = {unit.stage for unit in build_plan(tiny())} - {"data", "reference", "laws"}
    assert stale(tiny(training={"learning_rate": 0.02}), workspace) == after_training
    assert stale(tiny(resources={"workers": 7}), workspace) == set()


def test_a_change_of_code_is_named(finished_once, monkeypatch):
    workspace = finished_once / "workspace"
    real = recipe.fingerprint
    monkeypatch.setattr(
        recipe,
        "fingerprint",
        lambda kind, members: real(kind, members)._replace(
            code=real(kind, members).code | ({"ib_core.bounds": "new"} if kind.stage == "bounds" else {})
        ),
    )
    assert stale(tiny(), workspace) == {"bounds", "report"}
    assert states(tiny(), workspace)["bounds", "tiny"].reason == "code ib_core.bounds changed"


def test_another_version_of_a_library_is_named(finished_once, monkeypatch):
    workspace = finished_once / "workspace"
    real = recipe.fingerprint

    def newer(kind, members):
        found = real(kind, members)
        return found._replace(libraries={name: "9.9" if name == "numba" else v for name, v in found.libraries.items()})

    monkeypatch.setattr(recipe, "fingerprint", newer)
    assert stale(tiny(), workspace) == {"information", "worst_case", "bounds", "report"}
    cell = states(tiny(), workspace)["information", "b0.5/s0/e0000001/reference/L1"]
    assert cell.reason.startswith("numba ") and cell.reason.endswith(" -> 9.9")


def test_missing_and_damaged_are_told_apart(finished):
    workspace = finished / "workspace"
    (cell, *_), (law, *_) = (sorted((workspace / "store" / stage).iterdir()) for stage in ("information", "laws"))
    shutil.rmtree(cell)
    (law / "law.parquet").write_bytes(b"")
    found = [state for state in states(tiny(), workspace).values() if state.state != "ready"]
    assert sorted((state.unit.stage, state.state) for state in found) == [
        ("information", "missing"),
        ("laws", "damaged"),
    ]


def test_why_survives_a_damaged_result_of_earlier_settings(finished):
    workspace = finished / "workspace"
    manifest = next((workspace / "store" / "training").glob("*/manifest.json"))
    manifest.write_text(manifest.read_text()[:40])
    found = states(tiny(training={"epochs": 3}), workspace)
    assert any("damaged since" in state.reason for state in found.values())


def test_a_file_edited_before_its_first_import_is_not_what_was_planned(tmp_path, monkeypatch):
    planned = build_plan(tiny()).stages["data"][0]
    now = planned.code._replace(code=planned.code.code | {"tasks.sweep.data": "edited"})
    monkeypatch.setattr(making, "read_fingerprint", lambda kind, members: now)
    monkeypatch.setattr(making, "_loaded", set())
    ended = make(planned, str(tmp_path))
    assert ended.state == "failed" and "the code changed" in ended.message


def test_a_gpu_makes_cells_of_its_own(tmp_path):
    on_cpu, on_gpu = build_plan(tiny()), build_plan(tiny(resources={"gpus": 0.5}))
    changed = {stage for stage in on_cpu.stages if on_cpu.index()[stage] != on_gpu.index()[stage]}
    assert changed == {"information", "worst_case", "bounds", "report"}
    assert {unit.sampling.device for unit in on_gpu.stages["information"]} == {"cuda"}


OWN = """
import numpy as np
from ib_core.laws.family import Shift, family

@family("tv")
def later_half(law, size):
    sign = np.where(np.arange(len(law.weights)) < len(law.weights) / 2, -1.0, 1.0)
    return Shift(law.reweighted(law.weights * (1 + STRENGTH * size * sign)), size)
"""


@pytest.fixture
def own_shifts(tmp_path, monkeypatch):
    """A user's module with a family in it, and its path."""
    path = tmp_path / "own_shifts.py"
    path.write_text(OWN.replace("STRENGTH", "2.0"))
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("own_shifts", None)


def test_a_family_of_a_users_own_module_works_from_a_sweep_file(own_shifts, tmp_path):
    values = TINY | {"shifts": [{"family": "own_shifts.later_half", "sizes": [0.0, 0.2]}]}
    (unit,) = build_plan(parse_config(values, "here")).stages["laws"]
    for each in (unit.reference.data, unit.reference, unit):
        assert make(each, str(tmp_path / "workspace")).state == "computed"
    result = Store(tmp_path / "workspace").get("laws", unit.identity)
    assert json.loads(result.file("law.json").read_text())["tv"] == pytest.approx(0.2, rel=1e-9)
    own_shifts.write_text(OWN.replace("STRENGTH", "2.5"))
    assert build_plan(parse_config(values, "here")).stages["laws"][0].identity != unit.identity


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("no_module.x", "on PYTHONPATH"),
        ("own_shifts.x", "own_shifts has no .x."),
        ("broken_shifts.x", "SyntaxError"),
        ("own_shifts.raises", "RuntimeError: no"),
        ("own_shifts.exits", "SystemExit: 3"),
        ("own_shifts.steps", "RuntimeError: no such way"),
        ("own_shifts.slides", "must keep the atoms, or be entered with moves_atoms"),
        ("own_shifts.plain", "shifts.0.family: must be the name of a function under @family"),
        ("own_shifts.forgets", "must return a Shift .*, got NoneType"),
        ("leaving_shifts.x", "SystemExit"),
    ],
)
def test_a_family_that_is_not_there_or_fails_is_one_line(own_shifts, family, expected):
    (own_shifts.parent / "broken_shifts.py").write_text("def x(:")
    (own_shifts.parent / "leaving_shifts.py").write_text("raise SystemExit(3)")
    own_shifts.write_text(
        OWN
        + """
def plain(law, size):
    pass

@family("tv")
def raises(law, size):
    raise RuntimeError("no")

@family("tv")
def exits(law, size):
    raise SystemExit(3)

@family("w2", moves_atoms=True)
def steps(law, size):
    raise RuntimeError("no such way")

@family("tv")
def slides(law, size):
    return Shift(law.moved(law.atoms + 1), size)

@family("w2", moves_atoms=True)
def forgets(law, size):
    pass
"""
    )
    with pytest.raises(ConfigError, match=expected) as error:
        parse_config(TINY | {"shifts": [{"family": family, "sizes": [0.2]}]}, "here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sweep", "override"),
    [
        *[("szt", f"estimator.target_stderr={value}") for value in ("1e-300", "5e-324", "1e300")],
        *[("calibration", f"chain.target_stderr={value}") for value in ("1e-300", "1e300")],
        *[("calibration", f"entropy.relative_stderr={value}") for value in ("1e-300", "1e300")],
        *[("szt", f"network.betas=[{value}]") for value in ("1e-6", "1e6")],
    ],
)
def test_settings_at_the_ends_of_float64_have_a_plan_of_finite_cost(sweep, override):
    plan = build_plan(load_config(sweep, parse_overrides([override])))
    assert all(math.isfinite(unit.cost().seconds) and unit.cost().seconds >= 0 for unit in plan)


@pytest.mark.parametrize(("size", "found"), [("1e-300", "1e-08"), ("1e200", r"1e\+100")])
def test_steps_that_float64_cannot_take_are_refused_before_anything_runs(size, found):
    with pytest.raises(ConfigError, match=found) as error:
        load_config("szt", parse_overrides([f"shifts.3.sizes=[{size}]"]))
    assert "\n" not in str(error.value)


def test_cells_before_the_last_checkpoint_may_err_more_at_fewer_draws():
    config = load_config("szt")
    cells = build_plan(config).stages["information"]
    last = max(cell.activations.epoch for cell in cells)
    asked = {(cell.activations.epoch == last, cell.sampling.relaxed) for cell in cells}
    assert asked == {(True, 1.0), (False, EARLIER)}
    sampling = replace(cells[0].sampling, relaxed=EARLIER, max_draws=900, target_stderr=0.01)
    found = sampling.options([1.0, 2.0])
    assert found["max_draws"] == math.ceil(900 / EARLIER**2)
    assert np.allclose(found["target_stderr"], [0.01 * EARLIER, 0.02 * EARLIER])
