"""The rooms of the house and the one direction of imports between them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
ROOMS = ("ib_core", "tasks", "flows")
# Each of these is known to one room or file alone.
ONLY_IN = {
    "ray": ["tasks/engine/pool.py", "tasks/engine/ray_start.py"],
    "mlflow": ["tasks/tracking/sync.py"],
    "prefect": ["flows/"],
    "ot": ["ib_core/laws/wasserstein.py"],
    "piqp": ["ib_core/worst_case/quadratic.py"],
    "numba": ["ib_core/mixture/kernels/"],
    "triton": ["ib_core/mixture/kernels/fused/", "ib_core/philox/kernel.py"],
}
MATHEMATICS = {"torch", "numpy", "scipy", "numba", "ot", "piqp", "triton"}


def modules():
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_contracts_of_the_rooms_hold():
    # Those of pyproject.toml: one direction of imports, within the mathematics too.
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_is_known_to_one_room(path):
    name = path.relative_to(ROOT).as_posix()
    for library in imported(path) & set(ONLY_IN):
        assert name.startswith(tuple(ONLY_IN[library])), f"{library} is imported in {name}"


def test_the_mathematics_needs_no_files_no_clock_and_no_logging():
    standard = {
        "abc",
        "collections",
        "contextlib",
        "contextvars",
        "dataclasses",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
    }
    standard |= {"typing", "importlib", "inspect", "pkgutil", "bisect", "copy", "difflib", "html", "re", "types"}
    for path in (ROOT / "ib_core").rglob("*.py"):
        assert imported(path) <= standard | MATHEMATICS | {"ib_core"}, path


def test_the_mathematics_imports_with_torch_numpy_and_scipy_alone():
    program = """
import importlib, pkgutil, sys
ABSENT = {"numba", "ot", "piqp", "triton", "pandas", "pyarrow", "ray", "mlflow", "prefect", "pydantic", "yaml", "rich"}
COMPILED = "ib_core.mixture.kernels.numba", "ib_core.mixture.kernels.own", "ib_core.mixture.kernels.fused."
COMPILED += ("ib_core.mixture.kernels.blocks", "ib_core.philox.kernel")
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import ib_core
for module in pkgutil.walk_packages(ib_core.__path__, "ib_core."):
    if not module.name.startswith(COMPILED):
        importlib.import_module(module.name)
"""
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
