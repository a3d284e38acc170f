import numpy as np
import pytest

from ib_core.streams import bulk_stream, stream


@pytest.mark.parametrize("of", [stream, bulk_stream])
def test_a_stream_depends_on_its_key_alone(of):
    assert of(0, "noise", 3).random() == of(0, "noise", np.int64(3)).random()


@pytest.mark.parametrize("of", [stream, bulk_stream])
def test_different_keys_give_different_streams(of):
    keys = [(0, "noise", 3), (0, "noise", 4), (0, "order", 3), (1, "noise", 3), (0, "noise", "3"), (0,)]
    keys += [(seed, "noise", block) for seed in range(2, 42) for block in range(50)]
    assert len({of(*key).random() for key in keys}) == len(keys)
