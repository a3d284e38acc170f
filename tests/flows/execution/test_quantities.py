"""Times and sizes as people read them."""

import pytest

from flows.execution.quantities import counted, duration, size


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *[(-1, "0.0 s"), (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s")],
        *[(130, "2 min 10 s"), (599.4, "9 min 59 s"), (600, "10 min"), (3569, "59 min"), (3571, "1 h 0 min")],
        *[(86369, "23 h 59 min"), (86371, "1 d 0 h"), (1e6, "11 d 14 h")],
    ],
)
def test_a_duration_has_two_figures_and_rounds_to_the_next_unit(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("n_bytes", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (999_600, "1.0 MB"),
        (3.36e8, "336 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_a_size_has_three_figures_at_most_until_there_is_no_larger_unit(n_bytes, told):
    assert size(n_bytes) == told


def test_one_is_no_plural():
    assert [counted(n, "worker") for n in (0, 1, 12_000)] == ["0 workers", "1 worker", "12,000 workers"]
