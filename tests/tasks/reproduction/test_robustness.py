"""Robust training is judged by differences to usual training of the same seed, widened by the brackets."""

import math

import pandas as pd
import pytest
from scipy.stats import t

from tasks.reproduction.robustness import saved


def table(usual, robust, half=0.0):
    """What layers moved, two of each seed, known to within `half`."""
    rows = [
        {"network": name, "seed": seed, "layer": layer, "moved": each, "low": each - half, "high": each + half}
        for name, values in (("erm", usual), ("robust", robust))
        for seed, value in enumerate(values)
        for layer, each in ((1, value - 0.1), (2, value + 0.1))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def test_seeds_are_paired():
    found = saved(table([1.0, 2.0, 3.0], [0.8, 1.7, 2.9]), "robust")
    half = t.ppf(0.975, 2) * 0.1 / math.sqrt(3)  # of the differences .2, .3, .1
    assert found.low == pytest.approx(0.2 - half) and found.high == pytest.approx(0.2 + half)
    assert found.holds(0.0) and saved(table([1.0, 2.0, 3.0], [0.8, 1.79, 2.81]), "robust").above(0.0)


def test_brackets_widen_the_interval():
    sharp, wide = (saved(table([1.0, 2.0, 3.0], [0.8, 1.79, 2.81], half), "robust") for half in (0.0, 0.2))
    assert wide.low == pytest.approx(sharp.low - 0.4) and wide.high == pytest.approx(sharp.high + 0.4)


def test_rows_that_only_one_of_the_networks_has_are_left_out():
    both = table([1.0, 2.0, 3.0], [0.8, 1.7, 2.9])
    failed = both[(both["network"] == "erm") | (both["layer"] == 2) | (both["seed"] != 1)]
    assert saved(failed, "robust") == pytest.approx(saved(both, "robust"))


def test_one_seed_decides_nothing():
    assert saved(table([1.0], [0.1]), "robust").above(0.0) is None
