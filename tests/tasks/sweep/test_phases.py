"""Phases of training are found where a curve rises and falls beyond its brackets, and nowhere else."""

import math

import pandas as pd
import pytest

from tasks.sweep.report.phases import KEYS, mean_loss, phase_table, phases, verdict

EPOCHS = [0, 1, 10, 100, 1000]


class Curves:
    """What phases read off an arranged sweep: brackets of one layer by seed and epoch."""

    def __init__(self, *seeds, half=0.1):
        rows = []
        for seed, values in enumerate(seeds):
            place = dict(zip(KEYS, ("tanh", 0.1, seed, "all", 3), strict=True))
            for epoch, value in zip(EPOCHS, values, strict=False):
                rows.append(
                    {**place, "epoch": epoch, "shift": "reference", "lower": value - half, "upper": value + half}
                )
                rows.append({**place, "epoch": epoch, "shift": "blur", "lower": 99.0, "upper": 99.0})
        self.table = pd.DataFrame(rows).sample(frac=1, random_state=0)

    def brackets(self, quantity):
        return self.table


def test_a_curve_that_rises_and_falls_has_both_phases_with_the_ends_of_its_brackets():
    (row,) = phases(Curves([1.0, 2.0, 3.0, 2.95, 1.5])).to_dict("records")
    assert (row["first"], row["peak"], row["last"]) == (0, 10, 1000)
    assert (row["earliest"], row["latest"]) == (10, 100)  # at 100 it may have been as high
    assert row["rise_low"] == pytest.approx(1.8) and row["rise_high"] == pytest.approx(2.2)
    assert row["lost_low"] == pytest.approx(1.3) and row["lost_high"] == pytest.approx(1.7)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([[1.0, 2.0, 3.0, 2.95, 1.5]], "rises, then compresses"),
        ([[1.0, 2.0, 3.0, 3.1, 3.2]], "rises"),
        ([[3.0, 2.9, 2.0, 1.0, 1.0]], "compresses from the start"),
        ([[1.0, 1.05, 1.1, 1.05, 0.95]], "no change beyond the brackets"),
        # Whether it rose before is not known.
        ([[3.0, 3.1, 2.0, 1.0, 1.0]], "compresses"),
        ([[1.0, 2.0, 3.0, 2.95, 1.5], [1.0, 1.05, 1.1, 1.05, 1.0]], "differs between seeds"),
        # One seed of two is not every seed.
        ([[1.0, 2.0, 3.0, 2.95, 1.5], [1.0, 2.0, 3.0, 3.0, 3.0]], "rises, in some seeds then compresses"),
    ],
)
def test_words_claim_what_every_seed_shows(seeds, words):
    assert verdict(phases(Curves(*seeds))) == words


def test_the_mean_loss_has_the_interval_of_student():
    first, second, third = [1.0, 2.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 2.0, 2.0], [1.0, 2.0, 3.0, 2.0, 1.5]
    half = 4.302653 * 0.5 / math.sqrt(3)  # t of two degrees of freedom times the deviation of 2, 1 and 1.5
    assert mean_loss(phases(Curves(first, second, third))) == f"1.500 ± {half:.3f}"
    assert mean_loss(phases(Curves(first, second))) == "1.500"


def test_two_epochs_make_no_phases():
    assert phases(Curves([1.0, 5.0])).empty


def test_the_table_of_a_sweep_has_a_row_for_each_case_and_layer():
    from synthetic_sweep import BETAS, WIDTHS, synthetic_tables

    from tasks.sweep.report.arranged import Arranged

    table = phase_table(Arranged(synthetic_tables()))
    assert len(table.rows) == len(BETAS) * len(WIDTHS) and all(len(row) == len(table.head) for row in table.rows)
