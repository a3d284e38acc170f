import numpy as np

from ib_core.streams import stream


def test_a_stream_depends_on_its_key_alone():
    assert stream(0, "noise", 3).random() == stream(0, "noise", np.int64(3)).random()


def test_different_keys_give_different_streams():
    keys = [(0, "noise", 3), (0, "noise", 4), (0, "order", 3), (1, "noise", 3), (0, "noise", "3"), (0,)]
    assert len({stream(*key).random() for key in keys}) == len(keys)
