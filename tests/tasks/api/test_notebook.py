"""The page of the notebook is what its script says, within the errors of the numbers."""

import re
import runpy
from pathlib import Path

import pandas as pd
import pytest

DOCS = Path(__file__).parents[3] / "docs"
BRACKET = re.compile(r"(-?\d+\.\d{3}) to (-?\d+\.\d{3})")
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(page: str) -> list[str]:
    return page.split("```")


@pytest.mark.slow
def test_the_page_shows_what_the_script_gives(tmp_path):
    render = runpy.run_path(str(DOCS / "render.py"))["page"]
    found, shown = blocks(render(DOCS / "notebook.py", tmp_path)), blocks((DOCS / "notebook.md").read_text("utf-8"))
    # Code, texts and headings are the same; numbers may differ where another machine trains to other weights.
    assert [block for block in found if block.startswith("python")] == [
        block for block in shown if block.startswith("python")
    ]
    assert len(found) == len(shown)
    for mine, theirs in zip(found[::2], shown[::2], strict=True):
        assert mine == theirs
    brackets = [BRACKET.findall("".join(blocks)) for blocks in (found, shown)]
    assert len(brackets[0]) == len(brackets[1]) > 20
    for mine, theirs in zip(*brackets, strict=True):
        (low, high), (least, most) = (map(float, each) for each in (mine, theirs))
        assert low <= most and least <= high
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(each.name for each in DOCS.glob("notebook_*.png"))
    assert pd.get_option("display.width") != 120  # what the page is set in is nobody else's
