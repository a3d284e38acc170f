"""The Triton kernel's logic, on the CPU through its interpreter; no speed and no GPU rounding is tested here."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

SCRIPT = """
import numpy as np
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.groups import Groups

rng = np.random.default_rng(0)
for d, beta in ((1, 0.1), (3, 0.005), (10, 2.0)):
    centres = np.maximum(rng.normal(size=(150, d)), 0) + 10
    points = np.concatenate([centres[:30] + beta * rng.normal(size=(30, d)), 100 * rng.normal(size=(3, d))])
    found, truth = (log_density(points, centres, beta, backend=b) for b in ("triton", "torch"))
    np.testing.assert_allclose(found, truth, rtol=1e-13, atol=1e-5)

passes = np.tanh(rng.normal(size=(70, 1, 3)) + 0.1 * rng.normal(size=(70, 5, 3)))
groups = Groups(rng.dirichlet(np.ones(70), size=3).T, [slice(0, 30), slice(30, 70)], (np.arange(70) >= 30).astype(int))
found = []
for backend in ("triton", "torch"):
    atoms = Atoms(passes, 0.1, backend)
    points, atom = atoms.centres[:, 0] + np.random.default_rng(1).normal(size=(70, 3)), np.arange(70)
    found.append(log_totals(atoms, points, groups, atoms.own(points, atom, groups.group_of[atom])))
np.testing.assert_allclose(*found, rtol=0, atol=1e-5)
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton has no wheel for this machine")
def test_the_interpreted_kernel_agrees_with_torch():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True)
