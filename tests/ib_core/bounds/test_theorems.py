"""The table of theorems is complete, the page made from it is up to date, and nothing else names a theorem."""

import ast
import math
import re
from pathlib import Path

import numpy as np
import pytest

from ib_core import bounds
from ib_core.bounds import theorems, theorems_page
from ib_core.estimate import IN_WORDS, WIDTH, Estimate, holds

ROOT = Path(__file__).parents[3]
NAMES = [theorem.name for theorem in theorems.THEOREMS]
# Where theorems are named: a row says its name, and the functions that compute them have it too.
TABLE = "ib_core/bounds/theorems"


def test_every_theorem_has_its_words_its_source_and_its_function():
    assert len(set(NAMES)) == len(NAMES)
    labels = [theorem.label for theorem in theorems.THEOREMS]
    assert len(set(labels)) == len(labels)
    for theorem in theorems.THEOREMS:
        assert theorem.statement and theorem.source and theorem.concerns, theorem.name
        assert theorem.hypotheses.endswith("."), theorem.name
        assert set(theorem.concerns) <= set(theorems_page.COMPARISONS), theorem.name
        assert (theorem.quantity in ("change", "label")) == (theorem.distance != "none"), theorem.name
        if theorem.function is not None:
            assert getattr(bounds, theorem.function.__name__) is theorem.function, theorem.name


def test_the_bound_from_the_stored_signals_speaks_of_their_channel_and_no_other_bound_does():
    (row,) = [theorem for theorem in theorems.THEOREMS if theorem.channel != "true"]
    assert row.name == "wasserstein_coupled" and row.channel == "stored passes"
    assert "stored passes make up" in dict(theorems_page.facts(row))["Channel"]


def test_the_page_of_theorems_is_up_to_date():
    # python -c "from ib_core.bounds.theorems_page import page; print(page(), end='')" > docs/theorems.md
    assert (ROOT / "docs" / "theorems.md").read_text(encoding="utf-8") == theorems_page.page()


def spoken(path: Path) -> list[str]:
    """What a file says: the text of a template; of code, its strings but for docstrings and `__all__`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        return [text]
    tree = ast.parse(text)
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            silent.add(node.body[0].value)
        if isinstance(node, ast.Assign) and any(isinstance(at, ast.Name) and at.id == "__all__" for at in node.targets):
            silent |= set(ast.walk(node))
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in silent)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_a_theorem_is_named_in_the_table_alone():
    # Nor in a longer name, as that of a metric.
    name = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(sorted(NAMES, key=len, reverse=True))})(?![A-Za-z0-9_])")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for room in ("ib_core/bounds", "tasks", "flows")
        for kind in ("*.py", "*.html")
        for path in sorted((ROOT / room).rglob(kind))
        if path.parent.relative_to(ROOT).as_posix() != TABLE
        for text in spoken(path)
        for match in name.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(("bound", "above", "error", "expected"), [
    (0.7, True, 0.0, True), (0.69, True, 0.0, False), (0.69, True, 0.02, True),
    (1.3, False, 0.0, True), (1.31, False, 0.0, False), (1.31, False, 0.02, True),
])  # fmt: skip
def test_a_bound_is_violated_where_all_of_the_interval_lies_beyond_it(bound, above, error, expected):
    measured = Estimate(1.0, 0.3 / WIDTH)
    assert bool(holds(bound, measured, above, error)) is expected
    every = holds(np.array([bound, np.inf]), measured, True, error)
    assert every.tolist() == [bool(holds(bound, measured, True, error)), True]


def test_what_is_equal_but_for_rounding_is_no_violation():
    exact = Estimate(math.log(3) - math.log(2), 0.0)
    assert exact.value > math.log(1.5) and holds(math.log(1.5), exact) is True  # equal in real numbers
    assert holds(math.inf, exact) and not holds(-math.inf, exact) and not holds(math.inf, exact, False)
    assert not holds(math.log(1.5) - 1e-9, exact) and holds(math.log(1.5) + 1e-15, exact, False)


def test_the_words_for_the_width_are_its_number():
    assert f"{['no', 'one', 'two', 'three', 'four'][int(WIDTH)]} standard errors" == IN_WORDS and int(WIDTH) == WIDTH
