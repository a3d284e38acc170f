"""The page of families says of each what it is."""

from pathlib import Path

from ib_core.laws.families_page import page
from ib_core.laws.family import FAMILIES

PAGE = Path(__file__).parents[3] / "docs" / "shifts.md"


def test_the_page_of_families_is_up_to_date():
    # python -c "from ib_core.laws.families_page import page; print(page(), end='')" > docs/shifts.md
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_family_has_a_row_and_a_severity_its_unit():
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(FAMILIES.names)
    for row in rows:
        assert FAMILIES.find(row.split("`")[1]).metric != "severity" or "`size`" in row, row
