"""Checkpoints are even on a logarithmic axis and end with the training."""

import pytest

from ib_core.networks.epochs import log_spaced_epochs


@pytest.mark.parametrize(
    ("last", "count", "expected"),
    [(800, 6, [1, 4, 14, 55, 210, 800]), (800, 1, [800]), (800, 2, [1, 800]), (1, 3, [1]), (3, 50, [1, 2, 3])],
)
def test_the_last_epoch_is_always_kept(last, count, expected):
    assert log_spaced_epochs(last, count) == expected
