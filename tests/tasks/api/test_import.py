"""`import ibshift` is light, and what it gives is what its parts are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ibshift

ROOT = Path(__file__).parents[3]


def test_the_import_starts_nothing_and_draws_nothing():
    program = """
import sys
import ibshift
heavy = {"pandas", "pyarrow", "matplotlib", "ray", "mlflow", "prefect", "flows", "ot", "numba", "rich", "typer"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert all(getattr(ibshift, name).__doc__ for name in ibshift.__all__)
"""
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr


def test_modules_are_listed_with_suggestions():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    found = ibshift.layers(model, np.zeros((3, 3)))
    assert found.query("suggested").index.tolist() == ["1", "3"]
    assert found.half_width["1"] == 1 and np.isnan(found.half_width["3"]) and found.problem["4"]
    with pytest.raises(ibshift.NetworkError, match=r"must be a torch.nn.Module, got dict"):
        ibshift.layers({}, np.zeros((3, 3)))


def test_weights_are_loaded(tmp_path):
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    save_file(model.state_dict(), tmp_path / "some.safetensors")
    ibshift.load_weights(other, tmp_path / "some.safetensors")
    assert torch.equal(model.weight, other.weight)
