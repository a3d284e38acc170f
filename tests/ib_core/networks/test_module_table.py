"""What submodules give, and which can be noised."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.cnn import build_cnn
from ib_core.networks.checks import check
from ib_core.networks.hooks import NetworkError
from ib_core.networks.module_table import module_table, suggested_layers

X = np.random.default_rng(0).normal(size=(4, 5, 6))


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.act, self.twice, self.idle = nn.LSTM(6, 3, batch_first=True), nn.Tanh(), nn.ReLU(), nn.Tanh()
        self.round, self.turned, self.read = nn.Identity(), nn.Identity(), nn.Linear(3, 2)

    def forward(self, x):
        h = self.act(self.rnn(x)[0][:, -1])
        h = self.turned(h.T).T + self.round(h.long()) + self.twice(h)
        return self.read(self.twice(h))


def test_every_submodule_has_a_row_that_says_whether_it_can_be_noised():
    rows = {row.name: row for row in module_table(Mixed(), X)}
    assert list(rows) == ["rnn[0]", "rnn[1]", "act", "turned", "round", "twice", "read", "idle"]
    assert {name: row.problem for name, row in rows.items() if row.problem} == {
        "rnn[1]": "gives a tuple, no tensor",
        "turned": "the batch is not its first dimension",
        "round": "int64, not float32 or float64",
        "twice": "called 2 times in a pass",
        "read": "the read-out, which has no noise",
        "idle": "not called in a pass",
    }
    assert rows["rnn[0]"].shape == (5, 3) and rows["rnn[0]"].width == 15 and rows["rnn[0]"].kind == "LSTM"
    assert rows["act"].half_width == 1.0 and rows["idle"].shape is None
    assert suggested_layers(list(rows.values())) == ["act"]
    check(Mixed(), ["rnn[0]", "act"], X)


def test_the_layers_that_are_suggested_for_a_cnn_are_its_own():
    module, layers = build_cnn(Spec((5, 6), 3, (4,), "relu", (2,), 3, batch_norm=True), 0)
    rows = module_table(module, X)
    assert suggested_layers(rows) == list(layers) == ["act1", "act2"]
    assert [row.name for row in rows] == [name for name, _ in module.named_children()]
    assert next(row for row in rows if row.name == "act1").width == 60


def test_without_activations_of_its_own_what_has_weights_is_suggested():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.read = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.read(functional.relu(self.b(functional.relu(self.a(x)))))

    assert suggested_layers(module_table(Functional(), X[:, 0])) == ["a", "b"]


def test_a_network_that_fails_is_one_line_and_left_as_it_was():
    module = Mixed().train()
    with pytest.raises(NetworkError, match="fails on inputs of shape \\(4, 5, 2\\): RuntimeError"):
        module_table(module, X[:, :, :2])
    assert all(each.training and not each._forward_hooks for each in module.modules())
    assert torch.is_grad_enabled()
