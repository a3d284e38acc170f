"""The fingerprint of a class of recipes: it hears code, not prose, and only what its numbers come from."""

import shutil
import sys

import pytest

from tasks.engine import fingerprint as module
from tasks.engine.fingerprint import fingerprint
from tasks.sweep.activations import Activations
from tasks.sweep.bounds import Bounds
from tasks.sweep.data import DataSet
from tasks.sweep.information import Information
from tasks.sweep.laws import Reference, Shifted
from tasks.sweep.pretrained import Pretrained
from tasks.sweep.report.report import Report
from tasks.sweep.training import Training
from tasks.sweep.worst_case import WorstCase

KINDS = (DataSet, Reference, Shifted, Training, Pretrained, Activations, Information, WorstCase, Bounds, Report)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A copy of the code that may be edited; what was remembered of files is forgotten."""
    for room in ("ib_core", "tasks"):
        shutil.copytree(module._ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_ROOT", tmp_path)

    def forget():
        module._remembered.cache_clear()
        module._source.cache_clear()

    forget()
    yield tmp_path, forget
    monkeypatch.undo()
    forget()


def changed(house, path, edit):
    """The stages whose fingerprint an edit of a file changes."""
    root, forget = house
    before = {kind: fingerprint(kind) for kind in KINDS}
    file = root / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(edit(file.read_text() if file.exists() else ""))
    forget()
    return {kind.stage for kind in KINDS if fingerprint(kind) != before[kind]}


def replaced(old, new):
    def edit(text):
        assert old in text
        return text.replace(old, new)

    return edit


def test_prose_and_layout_change_nothing(house):
    path = "ib_core/streams.py"
    assert not changed(house, path, lambda text: text.replace('"""', '"""Anew: ', 1) + "\n\n# said again\n")
    assert not changed(
        house, path, replaced("def stream(seed: int, *key: int | str)", "def stream(seed:int,*key:int|str)")
    )


def test_what_is_added_beside_counts_for_nothing(house):
    added = "\n\ndef something_else():\n    return 3\n\n\nSOMETHING = 4\n"
    for path in (
        "ib_core/laws/family.py",
        "ib_core/networks/architectures/mlp.py",
        "tasks/sweep/collect.py",
        "ib_core/bounds/reweighting.py",
    ):
        assert not changed(house, path, lambda text: text + added), path
    for path in (
        "ib_core/sources/mine.py",
        "ib_core/shifts/mine.py",
        "ib_core/networks/activations/mine.py",
        "tasks/sweep/mine.py",
    ):
        assert not changed(house, path, lambda _: added), path


def test_what_is_reached_counts_where_it_is_reached(house):
    half = replaced("return np.random.Generator(np.random.SFC64(", "return np.random.Generator(np.random.PCG64(")
    after = {"activations", "information", "worst_case", "bounds", "report"}  # these hang on activations
    assert changed(house, "ib_core/streams.py", half) == after
    wide = replaced("WIDTH = 3.0", "WIDTH = 4.0")
    assert {"information", "bounds", "report"} <= changed(house, "ib_core/estimate.py", wide)
    statement = "\nassert 1 < 2\n"  # it may do anything
    changes = changed(house, "ib_core/worst_case/balls.py", lambda text: text + statement)
    assert changes == {"worst_case", "bounds", "report"}


def test_a_column_counts_where_its_table_is_written(house):
    edit = replaced('"monte_carlo": float, "note": str}', '"monte_carlo": float, "note": str, "mine": object}')
    assert changed(house, "tasks/sweep/schema.py", edit) == {"bounds", "report"}


def test_what_a_result_costs_changes_nothing(house):
    assert not changed(house, "tasks/sweep/training.py", replaced("1e4 * len(self.kept)", "2e4 * len(self.kept)"))
    assert not changed(
        house,
        "tasks/sweep/training.py",
        replaced("SECONDS_PER_STEP, SECONDS_PER_VALUE = 0.8e-3", "SECONDS_PER_STEP, SECONDS_PER_VALUE = 1"),
    )


def test_a_page_is_part_of_what_fills_it(house):
    assert changed(house, "tasks/sweep/report/report.html", lambda text: text + "<p>") == {"report"}


def test_members_count_where_they_are_chosen(house):
    root, forget = house
    chosen = (("ib_core.shifts.contamination", "contamination"),), (("ib_core.shifts.class_prior", "class_prior"),), ()
    before = [fingerprint(Shifted, members) for members in chosen]
    path = root / "ib_core/shifts/contamination.py"
    path.write_text(path.read_text().replace("contaminant[atom] = 1", "contaminant[atom] = 1.0"))
    forget()
    after = [fingerprint(Shifted, members) for members in chosen]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True]


def test_a_module_of_ones_own_counts_with_what_it_imports(house, tmp_path_factory, monkeypatch):
    _, forget = house
    place = tmp_path_factory.mktemp("own")
    (place / "my_families.py").write_text(
        "import my_helper\n\n\ndef mine(law, size):\n    return my_helper.twice(size)\n"
    )
    (place / "my_helper.py").write_text("def twice(x):\n    return 2 * x\n\n\ndef other(x):\n    return x\n")
    monkeypatch.syspath_prepend(str(place))
    members = (("my_families", "mine"),)
    before = fingerprint(Shifted, members)
    assert {"my_families", "my_helper"} <= set(before.code)
    helper = place / "my_helper.py"
    helper.write_text(helper.read_text().replace("return x", "return -x"))
    forget()
    assert fingerprint(Shifted, members) == before
    helper.write_text(helper.read_text().replace("2 * x", "3 * x"))
    forget()
    assert fingerprint(Shifted, members) != before


@pytest.mark.parametrize(
    "text",
    [
        "import yaml\n\n\ndef mine(law, size):\n    return yaml\n",
        "from yaml.nodes import Node as N\n\n\ndef mine(law, size):\n    return N\n",
        "def mine(law, size):\n    import yaml.nodes as inner\n    return inner\n",
        "try:\n    from yaml import *\nexcept ImportError:\n    pass\n\n\ndef mine(law, size):\n    return load\n",
        "import yaml  # for what it does\n\n\ndef mine(law, size):\n    return 1\n",
        "from my_inner import found\n\n\ndef mine(law, size):\n    return found\n",
    ],
    ids=["module", "name", "inside", "star", "unmentioned", "through another of one's own"],
)
@pytest.mark.usefixtures("house")
def test_other_peoples_packages_count_that_a_module_of_ones_own_imports(tmp_path_factory, monkeypatch, text):
    place = tmp_path_factory.mktemp("own")
    (place / "my_families.py").write_text(f"import json\nfrom ib_core.laws.family import Shift\n{text}")
    (place / "my_inner.py").write_text("import yaml\n\nfound = yaml\n")
    monkeypatch.syspath_prepend(str(place))
    members = (("my_families", "mine"),)
    before = fingerprint(Shifted, members)
    assert set(before.libraries) == {*fingerprint(Shifted).libraries, "PyYAML"}
    real = module._version
    monkeypatch.setattr(module, "_version", lambda name: "9.9" if name == "PyYAML" else real(name))
    after = fingerprint(Shifted, members)
    assert after.libraries == {**before.libraries, "PyYAML": "9.9"} and after.code == before.code


def test_libraries_that_make_the_numbers_count(house, monkeypatch):
    _, forget = house
    of_laws = fingerprint(Shifted).libraries
    assert {"numpy", "scipy", "POT"} <= set(of_laws) and "numba" not in of_laws
    assert set(fingerprint(Training).libraries) == {"numpy", "torch"}
    assert set(fingerprint(Information).libraries) == set(of_laws) | {"torch", "numba"}
    before = {kind: fingerprint(kind) for kind in KINDS}
    real = module._version
    monkeypatch.setattr(module, "_version", lambda name: "9.9" if name == "numba" else real(name))
    forget()
    changed = {kind.stage for kind in KINDS if fingerprint(kind) != before[kind]}
    assert changed == {"information", "worst_case", "bounds", "report"}


def test_a_stage_counts_the_mathematics_it_reaches_and_no_machinery():
    information = fingerprint(Information).code
    assert {"tasks.sweep.information", "ib_core.estimators.sample_propagation", "ib_core.mixture.atoms"} <= set(
        information
    )
    assert not {
        "tasks.store.store",
        "tasks.engine.recipe",
        "tasks.engine.pool",
        "tasks.tracking.sync",
        "ib_core.bounds.risk",
    } & set(information)
    assert "ib_core.bounds.risk" in fingerprint(Bounds).code


def test_everything_that_a_stage_imports_while_it_runs_is_known(monkeypatch):
    """What `laws` executes of the house is in its fingerprint, function for function."""
    from ib_core.laws.family import FAMILIES
    from ib_core.sources.szt import law

    members = (("ib_core.shifts.hamming_tilt", "hamming_tilt"),)
    known = set(fingerprint(Shifted, members).code)
    executed = set()

    def trace(frame, event, _):
        name = frame.f_globals.get("__name__", "")
        if event == "call" and frame.f_code.co_name != "<module>" and name.startswith(("ib_core", "tasks")):
            executed.add(name)

    reference = law()
    sys.setprofile(trace)
    try:
        FAMILIES.find("hamming_tilt").apply(reference, 0.1)
    finally:
        sys.setprofile(None)
    assert len(executed) > 3 and executed <= known | {"tasks.engine.fingerprint"}
