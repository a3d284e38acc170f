"""Robust training is judged by differences to usual training of the same seed, widened by the brackets."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest
from scipy.stats import t

from tasks.reproduction import robustness
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


def verdicts(monkeypatch, robust, networks):
    """Whether each of so many networks, all alike, is said to move less."""
    alike = [table([1.0, 2.0, 3.0], robust).replace("robust", f"robust{k}") for k in range(networks)]
    every = pd.concat([alike[0], *(each[each["network"] != "erm"] for each in alike[1:])]).assign(shift="rotation")
    monkeypatch.setattr(robustness, "moves", lambda found: every)
    monkeypatch.setattr(robustness, "_accuracy", lambda *place: "")
    bounds = pd.DataFrame({"concerns": ["label"], "size": [0.1], "holds": [True], "vacuous": [False]})
    found = SimpleNamespace(tables=SimpleNamespace(bounds=bounds))
    guarded = {f"robust{k}": "rotation" for k in range(networks)}
    return [claim.agrees for claim in robustness.claims(found, guarded)][:-1]


def test_many_claims_ask_for_more_than_few(monkeypatch):
    robust = [0.8, 1.79, 2.81]  # the differences .2, .21, .19: 0 is 20 standard errors of their mean away
    assert verdicts(monkeypatch, robust, 1) == [True] * 2
    one, seven = (t.ppf(1 - 0.05 / 2 / (2 * networks), 2) for networks in (1, 7))
    # Differences .2 - s, .2, .2 + s lie t standard errors above 0, with a t between those of one and of seven networks.
    weak = [0.2 - 0.2 * math.sqrt(3) / (0.5 * (one + seven)) * k for k in (-1, 0, 1)]
    robust = [value - each for value, each in zip([1.0, 2.0, 3.0], weak, strict=True)]
    assert verdicts(monkeypatch, robust, 1) == [True] * 2 and verdicts(monkeypatch, robust, 7) == [None] * 14
