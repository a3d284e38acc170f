"""The fingerprint of a stage's code: what it must hash so that a change of the code makes its results stale.

A stage's numbers come from its own module and from what that imports of `ib_core` and `tasks`, directly or not. The
store, the units and this file move bytes and cannot change a number, so they are left out.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_COUNTED = ("ib_core", "tasks")
_MACHINERY = {"tasks.store", "tasks.unit", "tasks.fingerprint"}


@cache
def fingerprint(stage: str) -> dict[str, str]:
    """Hash of each source file that the stage's numbers come from, and of a page template beside it, by module."""
    pending, found = [f"tasks.{stage}"], {}
    while pending:
        module = pending.pop()
        if module in found or module in _MACHINERY or not module.startswith(_COUNTED) or not _source(module).exists():
            continue
        tree = ast.parse(_source(module).read_text(encoding="utf-8"))
        found[module] = _hash(tree)
        page = _source(module).with_suffix(".html")
        if page.exists():
            found[f"{module}.html"] = hashlib.sha256(page.read_bytes()).hexdigest()[:12]
        pending += _imports(tree)
    return dict(sorted(found.items()))


def _source(module: str) -> Path:
    path = _ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.AST) -> set[str]:
    """Every module that a file may import, also inside functions; `from a import b` may name the module a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _hash(tree: ast.Module) -> str:
    """Hash of the syntax tree without docstrings: comments, layout and prose change nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]
