"""numpy's twin for tensors against numpy, and the random numbers of a device against published ones and their law."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from ib_core.arrays import (
    TorchNumpy,
    argsort,
    arrays_of,
    copied,
    counted,
    host,
    moving_sums,
    namespace,
    normals,
    resident,
    sums_from,
)
from ib_core.philox.generator import key_words, philox

XP = TorchNumpy(torch.device("cpu"))
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 6, 5))
POSITIVE, FLAGS = np.abs(A) + 0.1, A > 0
SYMMETRIC = np.stack([each @ each.T + np.eye(3) for each in RNG.normal(size=(4, 3, 3))])

CALLS = {
    "elementwise": lambda xp, a, b: [xp.square(a), xp.exp(a), xp.log(xp.square(b)), xp.log1p(xp.square(a))],
    "scalars": lambda xp, a, b: [xp.minimum(a, 0.3), xp.maximum(a, -0.3), xp.minimum(a, b), xp.maximum(a, b)],
    "logaddexp": lambda xp, a, b: [xp.logaddexp(a, b), xp.logaddexp(a, -1.0), xp.logaddexp(xp.log(a * 0.0), b)],
    "hypot": lambda xp, a, b: [xp.hypot(a, b)],
    "where": lambda xp, a, b: [xp.where(a > 0, a, b), xp.where(a > 0, a, 0.0), xp.isfinite(a / (b * 0.0 + 1.0))],
    "joined": lambda xp, a, b: [xp.stack([a, b], axis=1), xp.concatenate([a, b], axis=1), xp.concatenate([a, b])],
    "made": lambda xp, a, b: [xp.zeros((2, 3)), xp.full((2,), 7.0), xp.eye(3), xp.arange(2, 5), xp.zeros_like(a)],
    "repeated": lambda xp, a, b: [xp.tile(a[0], 3), xp.repeat(a[0], 2), xp.broadcast_to(a[:, :1], a.shape)],
    "einsum": lambda xp, a, b: [xp.einsum("mk,mk->k", a, b), xp.einsum("mk,nk->mn", a, b)],
    "found": lambda xp, a, b: [xp.flatnonzero(a[0] > 0), xp.asarray(FLAGS), xp.asarray(np.arange(3))],
    "reduced": lambda xp, a, b: [a.sum(1), a.mean(1, keepdims=True), a.swapaxes(0, 1) @ b, a.reshape(-1)],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_twin_of_numpy_does_what_numpy_does(name):
    with np.errstate(divide="ignore"):
        expected = CALLS[name](np, A, B)
    for ours, theirs in zip(CALLS[name](XP, XP.asarray(A), XP.asarray(B)), expected, strict=True):
        assert isinstance(ours, torch.Tensor) and host(ours).dtype == theirs.dtype
        np.testing.assert_allclose(host(ours), theirs, rtol=1e-14)


def test_numbers_become_float64_and_integers_stay():
    assert XP.asarray(np.float32([1, 2])).dtype == torch.float64 and XP.asarray(np.arange(2)).dtype == torch.int64
    assert XP.asarray(np.log(2.0)).shape == () and XP.asarray(torch.ones(2)).dtype == torch.float64


def test_algebra_is_numpys():
    for matrices in (SYMMETRIC, SYMMETRIC[0]):
        there = XP.asarray(matrices)
        np.testing.assert_allclose(host(XP.linalg.inv(there)), np.linalg.inv(matrices), rtol=1e-9)
        pseudo = host(XP.linalg.pinv(there, rtol=1e-9, hermitian=True))
        np.testing.assert_allclose(pseudo, np.linalg.pinv(matrices, rtol=1e-9, hermitian=True), rtol=1e-8)
    with pytest.raises(XP.linalg.LinAlgError):
        XP.linalg.inv(XP.zeros((2, 2)))
    kth = 3
    for array in (A, B):
        parts = [
            np.sort(host(each), axis=1) for each in np.split(host(XP.argpartition(XP.asarray(array), kth, 1)), [kth], 1)
        ]
        theirs = [np.sort(each, axis=1) for each in np.split(np.argpartition(array, kth, axis=1), [kth], axis=1)]
        assert all((ours == other).all() for ours, other in zip(parts, theirs, strict=True))


def test_equal_numbers_keep_their_order():
    values = np.array([2, 1, 2, 1, 0, 2])
    for xp in (np, XP):
        assert host(argsort(xp.asarray(values))).tolist() == [4, 1, 3, 0, 2, 5]


@pytest.mark.parametrize("shape", [(7, 3), (2, 7, 4), (2, 3, 7, 1)])
def test_sums_of_parts_are_those_of_slices(shape):
    values, starts = RNG.normal(size=shape), np.array([0, 2, 3, 6])
    parts = [values[..., a:b, :].sum(-2) for a, b in zip(starts, [*starts[1:], shape[-2]], strict=True)]
    for xp in (np, XP):
        np.testing.assert_allclose(host(sums_from(xp.asarray(values), starts)), np.stack(parts, axis=-2), rtol=1e-12)


@pytest.mark.parametrize(("n", "window"), [(9, 4), (9, 5), (3, 3), (2, 1)])
def test_moving_sums_are_over_neighbours(n, window):
    values, before = RNG.normal(size=(n, 2)), window // 2
    truth = [values[max(0, i - before) : i - before + window].sum(0) for i in range(n)]
    for xp in (np, XP):
        np.testing.assert_allclose(host(moving_sums(xp.asarray(values), window)), truth, rtol=1e-12)


def test_different_integers_are_counted():
    for xp in (np, XP):
        assert [host(each).tolist() for each in counted(xp.asarray(np.array([7, 2, 7, 5, 7, 2])))] == [
            [2, 5, 7],
            [2, 1, 3],
        ]


def test_what_is_copied_stays():
    for xp in (np, XP):
        array = xp.asarray(A.copy())
        other = copied(array)
        array += 1.0
        np.testing.assert_array_equal(host(other), A)


def test_arrays_live_where_the_computation_does():
    assert not resident(None) and not resident("cpu") and resident("cuda") and resident("meta")
    assert arrays_of(None) is np and arrays_of("cpu") is np and namespace(A) is np
    assert isinstance(arrays_of("meta"), TorchNumpy) and namespace(XP.asarray(A)).device.type == "cpu"


@pytest.mark.parametrize(
    ("place", "words", "expected"),
    [
        (0, (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (-1, (0xFFFFFFFF,) * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (0x85A308D3243F6A88, (0xA4093822, 0x299F31D0, 0x13198A2E, 0x03707344), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_generator_gives_the_published_numbers(place, words, expected):
    # Known answers of Random123, philox4x32 with ten rounds; counters fill 64 bits.
    place = place - 2**64 if place >= 2**63 else place
    found = philox(torch.tensor([place]), words)
    assert " ".join(f"{int(word):08x}" for word in found) == expected


def test_normal_numbers_of_a_device_are_normal_independent_and_bound_to_their_key():
    found = host(normals(XP, (400_000,), 3, "noise", 1))
    assert kstest(found, "norm").pvalue > 1e-3
    for power in (1, 2, 3, 4):
        error = math.sqrt(norm.moment(2 * power) / len(found))
        assert abs((found**power).mean() - norm.moment(power)) < 4.5 * error
    assert abs((found[1:] * found[:-1]).mean()) < 4.5 / math.sqrt(len(found))  # the two of a pair, and neighbours
    other = host(normals(XP, (400_000,), 3, "noise", 2))
    assert abs((found * other).mean()) < 4.5 / math.sqrt(len(found))
    # A number depends on its key and place alone, not on how many there are, in which shape.
    np.testing.assert_array_equal(host(normals(XP, (7, 3), 3, "noise", 1)).reshape(-1), found[:21])


def test_normal_numbers_have_all_digits_of_their_words():
    a, b, c, d = (word.numpy() for word in philox(torch.arange(5000), key_words(3, "noise", 1)))
    first, second = ((high >> 5) * 67108864.0 + (low >> 6) for high, low in ((a, b), (c, d)))
    radius, angle = np.sqrt(-2 * np.log1p(-first / 2.0**53)), 2 * np.pi * second / 2.0**53
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    np.testing.assert_allclose(host(normals(XP, (10_000,), 3, "noise", 1)), expected, rtol=0, atol=1e-14)


def test_normal_numbers_do_not_depend_on_the_steps_they_are_made_in(monkeypatch):
    whole = host(normals(XP, (1001,), 0, "a"))
    monkeypatch.setattr("ib_core.philox.generator.WORDS", 64)
    np.testing.assert_array_equal(host(normals(XP, (1001,), 0, "a")), whole)
