"""A network of a user's own is built by its function, or one line says what is wrong."""

import sys

import pytest
import torch

from ib_core.networks.foreign import foreign_module
from ib_core.networks.hooks import NetworkError

CODE = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

def needs(width):
    return nn.Linear(width, 2)

def exits():
    raise SystemExit(3)

def number():
    return 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "some_nets.py").write_text(CODE)
    (tmp_path / "broken_nets.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("some_nets", None)


def test_a_function_builds_the_same_network_from_a_seed_and_leaves_torchs_stream(nets):
    state = torch.get_rng_state()
    one, same, other = (foreign_module("some_nets:build", seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one[0].weight, same[0].weight) and not torch.equal(one[0].weight, other[0].weight)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("some_nets", "must be module:name of your own, got 'some_nets'"),
        ("some_nets:bulid", "some_nets has no 'bulid' .did you mean build.."),
        ("some_nets:torch", "must name a function"),
        ("nowhere:build", "that can be imported, got 'nowhere:build' .ModuleNotFoundError"),
        ("broken_nets:build", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("some_nets:needs", "must build a network, got TypeError: needs\\(\\) missing 1"),
        ("some_nets:exits", "got SystemExit: 3"),
        ("some_nets:number", "must return a torch.nn.Module, got int"),
    ],
)
def test_what_is_no_network_is_one_line(nets, place, message):
    with pytest.raises(NetworkError, match=message) as error:
        foreign_module(place)
    assert "\n" not in str(error.value)


def test_a_function_is_called_with_parameters(nets):
    assert foreign_module("some_nets:needs", 0, {"width": 5}).in_features == 5
