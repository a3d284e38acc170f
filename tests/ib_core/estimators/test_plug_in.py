"""Both ends as the paper writes them, against integrals, sums of independent parts, and `layer_information`."""

import math

import numpy as np
import pytest

from ib_core.channels.closed_forms import finite_input_information
from ib_core.estimators.plug_in import held_out_information, plug_in_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.streams import stream

BETA = 0.4


def passes_of(n, n_passes, d, key):
    return np.tanh(stream(0, "passes", key).standard_normal((n, n_passes, d)) + np.arange(n)[:, None, None])


def paired(a, b):
    """Inputs (x, y) with every pass of x beside every pass of y: the layer (S_x, S_y), whose parts are independent."""
    shape = (len(a), len(b), a.shape[1], b.shape[1])
    left = np.broadcast_to(a[:, None, :, None], (*shape, a.shape[2]))
    right = np.broadcast_to(b[None, :, None, :], (*shape, b.shape[2]))
    passes = np.concatenate([left, right], axis=-1)
    return passes.reshape(shape[0] * shape[1], shape[2] * shape[3], -1)


def test_one_pass_an_input_is_the_channel_of_the_signals_themselves():
    signals = np.array([-0.9, -0.1, 0.3])
    found = plug_in_information(signals[:, None, None], BETA)
    assert found.value == pytest.approx(finite_input_information(signals, BETA), abs=1e-8) and found.stderr == 0


@pytest.mark.parametrize("d", [1, 2])
def test_the_plug_in_of_independent_parts_is_the_sum_of_theirs(d):
    a, b = passes_of(2, 3, d, "a"), passes_of(3, 2, d, "b")
    parts = [plug_in_information(each, BETA) for each in (a, b)]
    assert all(part.stderr == 0 for part in parts)
    found = plug_in_information(paired(a, b), BETA, target_stderr=2e-3, seed=1)
    assert (found.stderr == 0) == (d == 1) and found.stderr <= 2e-3
    assert abs(found.value - sum(part.value for part in parts)) < 4 * found.stderr + 1e-8


def test_the_error_of_the_plug_in_counts_draws_given_the_passes():
    passes = paired(passes_of(2, 1, 2, "c"), passes_of(2, 1, 2, "d"))  # one pass each: another one would change much
    found = [plug_in_information(passes, BETA, target_stderr=0.02, max_draws=2**10, seed=seed) for seed in range(20)]
    spread = np.std([each.value for each in found])
    assert 0.6 * spread < np.mean([each.stderr for each in found]) < 1.7 * spread


@pytest.mark.parametrize("n_passes", [1, 6])
def test_what_layer_information_publishes_scatters_around_the_plug_in_of_the_same_passes(n_passes):
    passes = passes_of(3, n_passes, 2, "e")
    found = [layer_information(passes, BETA, seed=seed).upper.value for seed in range(60)]
    truth = plug_in_information(passes, BETA).value
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / math.sqrt(60)


def test_the_held_out_end_is_its_integral():
    stored, fresh = np.array([[-0.4, 0.1], [0.2, 0.6]]), np.array([-0.3, 0.5])  # fresh passes are all alike
    t = np.arange(-5, 5, 1e-3)

    def density(signals):
        return np.exp(-(((t[:, None] - signals) / BETA) ** 2) / 2).mean(1)

    own = np.stack([density(row) for row in stored])
    truth = sum(
        density(fresh[i : i + 1]) @ np.log(own[i] / own.mean(0)) * 1e-3 / (BETA * math.sqrt(2 * math.pi)) / 2
        for i in range(2)
    )
    many = np.repeat(fresh[:, None, None], 400, axis=1)
    found = [held_out_information(stored[:, :, None], many, BETA, seed=seed) for seed in range(60)]
    values = np.array([each.value for each in found])
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(60)
    assert 0.7 * values.std() < np.mean([each.stderr for each in found]) < 1.4 * values.std()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda p: plug_in_information(p[0], BETA), "passes"),
        (lambda p: plug_in_information(p, 0.0), "beta must be positive"),
        (lambda p: plug_in_information(p, BETA, target_stderr=0.0), "target_stderr must be positive"),
        (lambda p: held_out_information(p, p[:, :1], BETA), "m at least 2"),
        (lambda p: held_out_information(p, p[:1], BETA), r"fresh must have shape \(3, m, 2\)"),
        (lambda p: held_out_information(p, p * np.nan, BETA), "fresh"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, expected):
    with pytest.raises(ValueError, match=expected) as error:
        call(passes_of(3, 2, 2, "f"))
    assert "\n" not in str(error.value)
