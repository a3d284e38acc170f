"""What is said of a law beside its distances."""

import numpy as np
import pytest

from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from tasks.sweep.laws import moving_label

LAW = InputLaw(np.arange(6.0)[:, None], np.full(6, 1 / 6), [0, 1, 2, 3, 3, 3])


@pytest.mark.parametrize("label", [0, 2, 3])
def test_the_label_that_gains_is_that_of_the_shift(label):
    found = moving_label(LAW, shifted("class_prior", LAW, 0.2, label=label).law)
    before = float(LAW.weights @ (LAW.labels == label))
    assert found["label"] == label and found["p_label_before"] == pytest.approx(before, abs=1e-12)
    assert found["p_label"] == pytest.approx(before + 0.2, abs=1e-9)


def test_where_no_label_gains_it_is_the_commonest():
    assert moving_label(LAW, LAW) == {"label": 3, "p_label": 0.5, "p_label_before": 0.5}
