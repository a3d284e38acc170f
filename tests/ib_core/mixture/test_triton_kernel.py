"""The Triton kernel's logic, on the CPU through its interpreter; no speed and no GPU rounding is tested here."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from ib_core.mixture.atoms import Atoms
from ib_core.mixture.kernels.torch_kernel import TorchKernel

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton has no wheel for this machine")

TWIN = """
import math
import numpy as np
from scipy.special import logsumexp
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import Groups, ungrouped
from ib_core.mixture.order import spatial_order

def twin(points, centres, beta, weights):
    squares = np.square(points[:, None] - centres).sum(2)
    with np.errstate(divide="ignore"):
        logs = np.log(weights) - squares / (2 * beta**2)
    return logsumexp(logs, axis=1) - points.shape[1] * math.log(beta * math.sqrt(2 * math.pi))

rng = np.random.default_rng(0)
"""

DENSITIES = """
for d in (1, 2, 3, 10, 16, 17, 64, 256, 1024):
    for beta in (0.005, 0.1, 2.0):
        centres = np.maximum(rng.normal(size=(70, d)), 0) + 10  # the offset is what cancels in float32
        centres[35:] = centres[:35] + 0.3 * beta * rng.normal(size=(35, d)) / math.sqrt(d)  # near-equal ones
        direction = rng.normal(size=(12, d))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        tail = centres[:12] + beta * np.geomspace(3, 3e4, 12)[:, None] * direction
        points = np.concatenate([centres[::2] + beta * rng.normal(size=(35, d)), tail, 100 * rng.normal(size=(3, d))])
        found = log_density(points, centres, beta, backend="triton")
        # Where the density is e^-1e10, the last digit of a float64 is itself worth more than 1e-5.
        np.testing.assert_allclose(found, twin(points, centres, beta, 1 / 70), rtol=1e-13, atol=1e-5)
"""

LAWS = """
centres = np.concatenate([rng.normal(size=(40, 20)), rng.normal(size=(40, 20)) + 50])
far = np.r_[np.zeros(40), np.full(40, 1 / 40)]
weights = np.stack([np.full(80, 1 / 80), np.eye(80)[0], far, np.r_[np.full(79, 1e-30), 1 - 79e-30]], axis=1)
points = centres + 0.1 * rng.normal(size=centres.shape)
found = log_density(points, centres, 0.1, weights=weights, backend="triton")
for column, law in zip(found.T, weights.T):
    np.testing.assert_allclose(column, twin(points, centres, 0.1, law), rtol=1e-13, atol=1e-5)
"""

OWN_ATOMS = """
for d, beta in ((3, 0.1), (64, 0.005), (64, 0.5), (256, 1.0)):
    means = np.maximum(rng.normal(size=(80, 1, d)), 0) + 10
    means[40:] = means[:40] + 0.3 * beta * rng.normal(size=(40, 1, d)) / math.sqrt(d)
    passes = means + beta * rng.normal(size=(80, 5, d))
    group_of = np.arange(80) % 2
    order = spatial_order(passes.mean(1), group_of)
    passes, group_of = passes[order], group_of[order]
    laws = rng.dirichlet(np.ones(80), size=3).T
    atoms = Atoms(passes, beta, "triton")
    points, atom = atoms.centres[:, 0] + rng.normal(size=(80, d)), np.arange(80)
    # A fresh pass may lie far from all stored ones of its atom, and much nearer to those of another.
    points[:4] = atoms.centres[-4:, 2] + rng.normal(size=(4, d))
    exact, slow = atoms.exact(points), []
    atoms.exact = lambda rows: slow.append(len(rows)) or Atoms.exact(atoms, rows)
    for groups in (ungrouped(laws), Groups(laws, [slice(0, 40), slice(40, 80)], group_of)):
        same = groups.group_of[atom][:, None] == groups.group_of
        found = log_totals(atoms, points, groups, atoms.own(points, atom, groups.group_of[atom]))
        assert sum(slow) <= (4 if len(groups.slices) == 2 else 0)  # their own groups vanish from float32
        for layer, logs in zip(found, (exact, np.where(same, exact, -np.inf))):
            for column, law in zip(layer.T, laws.T):
                np.testing.assert_allclose(column, logsumexp(logs + np.log(law), axis=1), rtol=1e-13, atol=1e-5)
"""


RESIDENT = """
import torch
from ib_core.mixture.kernels.triton_kernel import TritonSums
from ib_core.mixture.resident import resident_log_totals

for d, beta in ((3, 0.1), (64, 0.005), (40, 0.5)):
    means = np.maximum(rng.normal(size=(70, 1, d)), 0) + 10
    means[35:] = means[:35] + 0.3 * beta * rng.normal(size=(35, 1, d)) / math.sqrt(d)
    atoms = Atoms(means + beta * rng.normal(size=(70, 3, d)), beta)
    laws = rng.dirichlet(np.ones(70), size=3).T
    group_of = np.repeat([0, 1], 35)
    groups, atom = Groups(laws, [slice(0, 35), slice(35, 70)], group_of), np.arange(70)
    points = atoms.centres[:, 0] + rng.normal(size=(70, d))
    points[:3] = atoms.centres[-3:, 2] + rng.normal(size=(3, d))
    points[3:6] += 1e3
    there = [torch.from_numpy(each) for each in (points, atom, group_of)]
    kernel = TritonSums(torch.from_numpy(atoms.centres))
    known = atoms.own(points, atom, group_of)
    for own in (None, type(known)(*map(torch.from_numpy, known))):
        found = resident_log_totals(kernel, there[0], groups, own)
        exact = atoms.exact(points)
        layers = (exact,) if own is None else (exact, np.where(group_of[:, None] == group_of, exact, -np.inf))
        assert len(found) == len(layers)
        for layer, logs in zip(found, layers):
            for column, law in zip(layer.T, laws.T):
                np.testing.assert_allclose(column, logsumexp(logs + np.log(law), axis=1), rtol=1e-12, atol=1e-5)
"""


@pytest.mark.parametrize("script", [DENSITIES + LAWS, OWN_ATOMS, RESIDENT], ids=["densities", "own", "resident"])
def test_interpreted_sums_are_within_1e_5_of_the_twin(script):
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", TWIN + script], env=environment, check=True)


@pytest.mark.parametrize("capability", [80, 90, 120])
def test_the_kernel_compiles_for_cards(capability):
    # Without a card: the instructions of each generation, and no more registers than there are.
    script = f"""
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ib_core.mixture.kernels.triton_kernel import ATOMS, DEPTH, POINTS, WARPS, _sums
kinds = dict.fromkeys(["points", "start", "centres", "norms", "out"], "*fp64")
kinds |= dict.fromkeys(["m", "n", "d", "passes", "stride"], "i32") | dict.fromkeys("PAD", "constexpr")
source = ASTSource(fn=_sums, signature=kinds, constexprs=dict(P=POINTS, A=ATOMS, D=DEPTH))
found = compile(source, target=GPUTarget("cuda", {capability}, 32), options=dict(num_warps=WARPS))
assert found.asm["cubin"] and "ex2.approx" in found.asm["ptx"]
assert ("mma" in found.asm["ptx"]) == ({capability} < 120)  # float64 products are tensor-core instructions on these
"""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


@pytest.mark.parametrize("d", [2, 300])
def test_the_device_alone_chooses_the_backend(d, monkeypatch):
    centres = np.zeros((3, 1, d))
    # "meta" is a device that computes nothing.
    assert type(Atoms(centres, 1.0, device="meta").kernel).__name__ == "TritonKernel"
    assert type(Atoms(centres, 1.0, device="cpu").kernel).__name__ == "NumbaKernel"
    monkeypatch.setattr("triton.__version__", "3.4.0")
    monkeypatch.delitem(sys.modules, "ib_core.mixture.kernels.triton_kernel")
    assert type(Atoms(centres, 1.0, device="meta").kernel) is TorchKernel
    with pytest.raises(ModuleNotFoundError, match=r"triton must be 3\.5 or newer"):
        Atoms(centres, 1.0, backend="triton", device="meta")
