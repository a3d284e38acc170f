"""The rooms of the house and the one direction of imports between them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "ib_core": {"ib_core"},
    "tasks": {"ib_core", "tasks"},
    "flows": {"ib_core", "tasks", "flows", "deployments"},
}
# Each of these is known to one room or file alone.
ONLY_IN = {
    "ray": ["tasks/fanout.py"],
    "mlflow": ["tasks/tracking.py"],
    "prefect": ["flows/"],
    "ot": ["ib_core/laws/wasserstein.py"],
    "numba": ["ib_core/mixture/kernels/"],
    "triton": ["ib_core/mixture/kernels/triton_kernel.py"],
}
MATHEMATICS = {"torch", "numpy", "scipy", "numba", "ot", "triton"}


def modules():
    return [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0]
    assert imported(path) & {*MAY_IMPORT, "deployments"} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_library_is_known_to_one_room(path):
    name = path.relative_to(ROOT).as_posix()
    for library in imported(path) & set(ONLY_IN):
        assert name.startswith(tuple(ONLY_IN[library])), f"{library} is imported in {name}"


def test_the_mathematics_needs_no_files_no_clock_and_no_logging():
    standard = {"abc", "collections", "contextlib", "dataclasses", "functools", "hashlib", "itertools", "json", "math"}
    standard |= {"typing", "importlib", "pkgutil"}
    for path in (ROOT / "ib_core").rglob("*.py"):
        assert imported(path) <= standard | MATHEMATICS | {"ib_core"}, path
