"""Verdicts follow from intervals: borne out, excluded, or not decided."""

import math

import numpy as np
import pandas as pd
import pytest

from tasks.reproduction.page import tally
from tasks.reproduction.reading import Span, at, every, lost, mean, peak, risen
from tasks.reproduction.reproduction import REPRODUCTIONS, Claim
from tasks.reproductions.szt_reference import turns


@pytest.mark.parametrize(
    ("low", "high", "above", "below", "near"),
    [(0.2, 0.4, True, False, True), (-0.4, -0.2, False, True, False), (-0.1, 0.4, None, None, None)],
)
def test_an_interval_decides_or_does_not(low, high, above, below, near):
    span = Span(low, high)
    assert (span.above(0.0), span.below(0.0), span.near(0.3, 0.1 + 1e-9)) == (above, below, near)


def test_a_difference_is_widest_where_both_may_be_off():
    assert Span(3.0, 3.2) - Span(1.0, 1.5) == (1.5, pytest.approx(2.2))


def test_what_holds_of_all_holds_of_each():
    assert every([True, True]) is True and every([True, None]) is None and every([None, False]) is False
    assert every([]) is None


def test_the_mean_over_seeds_has_the_interval_of_student_and_one_seed_none():
    found = mean(pd.Series([1.0, 2.0, 3.0, math.nan]))
    assert found.low == pytest.approx(2 - 4.30265 / math.sqrt(3), abs=1e-4) and found.high == pytest.approx(
        4 - found.low
    )
    assert str(mean(pd.Series([1.0]))) == "unknown"


def test_the_peak_is_of_each_seed_and_the_end_of_the_last_epoch():
    rows = pd.DataFrame(
        {"seed": [0, 0, 0, 1, 1, 1], "epoch": [1, 10, 100] * 2, "lower": [1.0, 3, 2, 1, 2, 2.5]}
    ).assign(upper=lambda table: table["lower"] + 0.5)
    assert peak(rows) == (2.5, 3.5) and at(rows) == (2.0, 3.0) and at(rows, 1) == (1.0, 1.5)
    assert str(at(rows, 7)) == "unknown" and str(peak(rows[:0])) == "unknown"


def test_seeds_that_differ_do_not_widen_what_each_of_them_lost():
    rows = pd.DataFrame(
        {"seed": [0, 0, 0, 1, 1, 1], "epoch": [1, 10, 100] * 2, "lower": [1.0, 3, 2, 5, 8, 7.5]}
    ).assign(upper=lambda table: table["lower"] + 0.1)
    assert lost(rows) == pytest.approx((0.4, 1.1)) and risen(rows) == pytest.approx((1.9, 3.1))
    assert str(lost(rows[:0])) == str(risen(rows[:0])) == "unknown"


@pytest.mark.parametrize("name", REPRODUCTIONS.names)
def test_no_words_of_a_study_are_left_to_be_filled_in(name):
    study = REPRODUCTIONS.find(name)
    words = " ".join([study.question, study.source, *study.differs])
    assert "{" not in words and "}" not in words


@pytest.mark.parametrize("seed", range(20))
def test_the_two_heights_and_the_dip_between_are_those_of_brute_force(seed):
    values = np.random.default_rng(seed).normal(size=30).cumsum()
    found = turns(values)
    assert found.first <= found.dip <= found.second
    best = max(values[i] + values[k] - 2 * values[j] for i in range(30) for j in range(i, 30) for k in range(j, 30))
    assert values[found.first] + values[found.second] - 2 * values[found.dip] == pytest.approx(best)


def test_the_tally_counts_every_kind():
    def claim(agrees):
        return Claim("a", "b", "c", "d", agrees)

    assert tally([claim(True), claim(True)]) == "2 of 2 claims are supported"
    assert tally([claim(True), claim(False), claim(None)]) == ("1 of 3 claims is supported, 1 is not, 1 is not decided")


def test_every_study_names_sweeps_that_come_with_ibshift():
    from flows.settings.load import sweep_path

    for name in REPRODUCTIONS.names:
        study = REPRODUCTIONS.find(name)
        assert study.sweeps and all(sweep_path(sweep).is_file() for sweep in study.sweeps)
        assert set(study.small) == set(study.sweeps) and study.question.endswith("?")
