"""Where units compute, what is said of it, and what a full card costs."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from ib_core.arrays import tile
from tasks.engine.device import device_here, devices, noting, with_smaller_tiles
from tasks.engine.make import make
from tasks.engine.recipe import Recipe
from tasks.store.store import Store


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Card 9")


def test_what_was_planned_for_a_card_is_computed_there(card):
    with noting() as found:
        assert device_here("cuda") == "cuda" and devices() == "Card 9"
    assert found == {"Card 9"}


def test_without_a_card_the_cpu_computes_and_that_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with noting() as found:
        assert device_here("cuda") is None and devices() == "cpu, for want of a card"
    assert found == {"cpu, for want of a card"}


def test_what_was_planned_for_the_cpu_needs_no_word(card):
    with noting() as found:
        assert device_here(None) is None and devices() == "cpu"
    assert not found


def test_on_a_full_card_tiles_become_smaller_and_what_was_written_is_cleared():
    shares, cleared = [], []

    def build():
        shares.append(tile(1600))
        if len(shares) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with_smaller_tiles(build, lambda: cleared.append(len(shares)))
    assert shares == [1600, 400, 100] and cleared == [1, 2] and tile(1600) == 1600


def test_a_card_that_stays_full_and_any_other_error_are_failures():
    tried = []

    def full():
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        with_smaller_tiles(full, lambda: None)
    assert len(tried) == 3
    with pytest.raises(RuntimeError, match="else"):
        with_smaller_tiles(lambda: (_ for _ in ()).throw(RuntimeError("something else")), lambda: None)


@dataclass(frozen=True, eq=False)
class OnCard(Recipe):
    stage: ClassVar[str] = "toy"
    full: bool

    @property
    def label(self):
        return "on a card"

    def build(self, out):
        assert not list(out.iterdir())  # of the first attempt
        device_here("cuda")
        (out / "share.txt").write_text(str(tile(16)))
        if self.full and tile(16) == 16:
            raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(("full", "share"), [(False, "16"), (True, "4")])
def test_the_journal_says_which_device_made_what(card, tmp_path, full, share):
    unit = OnCard(full)
    assert make(unit, str(tmp_path)).state == "computed"
    store = Store(tmp_path)
    (entry,) = store.journal()
    assert (entry["event"], entry["device"]) == ("computed", "Card 9")
    assert (store.folder("toy", unit.identity) / "share.txt").read_text() == share
