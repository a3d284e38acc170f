"""A network that cannot be measured is refused in one line that says why, and a good one is not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ib_core.networks.checks import check
from ib_core.networks.hooks import NetworkError

X = np.random.default_rng(0).normal(size=(20, 6))


def good():
    first, second = (nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5)), (nn.Linear(4, 4), nn.Tanh())
    return nn.Sequential(*first, *second, nn.Linear(4, 2))


class Net(nn.Module):
    """Two layers, between which `middle` does what is wrong; `last` gets the logits."""

    def __init__(self, middle=lambda self, h: h, last=lambda logits: logits):
        super().__init__()
        self.first, self.act, self.norm = nn.Linear(6, 4), nn.Tanh(), nn.BatchNorm1d(4)
        self.second, self.act2, self.read = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)
        self.rnn, self.unused = nn.LSTM(4, 4, batch_first=True), nn.Tanh()
        self.through, self.middle, self.last = nn.Identity(), middle, last

    def forward(self, x):
        h = self.middle(self, self.act(self.first(x)))
        return self.last(self.read(self.act2(self.second(h))))


def in_train_mode(self, h):
    return functional.batch_norm(h, self.norm.running_mean, self.norm.running_var, training=True)


def own_statistics(self, h):
    return self.through((h - h.mean(0)) / h.std(0).clamp(min=1e-3))


def counted(self, h):
    self.seen = getattr(self, "seen", 0) + 1
    return h + 0.1 * self.seen


def sequence_first(self, h):
    return self.rnn(h[:, None])[0].transpose(0, 1)[0]


FAULTS = {
    "typo": (Net(), ["atc"], "layers must name submodules, got 'atc': did you mean act?"),
    "nothing like it": (Net(), ["zzz"], "got 'zzz'; it has first, act, norm"),
    "none": (Net(), [], "layers must name at least one submodule, got none"),
    "the whole": (Net(), [""], "layers must name submodules, got ''"),
    "a string": (Net(), "act", "layers must be a list of names"),
    "named twice": (Net(), ["act", "act"], "distinct, got 'act' twice"),
    "not called": (Net(), ["act", "unused"], "layer 'unused' is not called"),
    "shared": (Net(lambda self, h: self.act(h)), ["act"], "layer 'act' must be called once in a pass, got 2 calls"),
    "order": (Net(), ["act2", "act"], "order of the forward pass, act, act2"),
    "tuple": (Net(lambda self, h: self.rnn(h)[0]), ["rnn"], "'rnn' gives a tuple of 2: name one .*, as rnn\\[0\\]"),
    "index of a tensor": (Net(), ["act[0]"], "layer 'act\\[0\\]' has an index, but its module gives one Tensor"),
    "no such part": (Net(lambda self, h: self.rnn(h)[0]), ["rnn[5]"], "'rnn\\[5\\]' gives a tuple of 2, whose"),
    "no tensor": (Net(lambda self, h: self.rnn(h)[0]), ["rnn[1]"], "'rnn\\[1\\]' must give a tensor, got tuple"),
    "integers": (Net(lambda self, h: self.through(h.round().int()).float()), ["through"], "float32 or float64.*int32"),
    "half": (Net(lambda self, h: self.through(h.half()).float()), ["through"], "got torch.float16"),
    "not finite": (Net(lambda self, h: self.through(h / 0)), ["through"], "layer 'through' must be finite"),
    "logits not finite": (Net(last=lambda logits: logits / 0), ["act"], "the read-out must be finite"),
    "batch": (Net(lambda self, h: self.through(h.T).T), ["through"], "batch as its first dimension, got \\(4, 8\\)"),
    "dropout": (Net(lambda self, h: functional.dropout(h)), ["act"], "the read-out differs between two passes"),
    "dropout before": (
        Net(lambda self, h: functional.dropout(h)),
        ["act", "act2"],
        "layer 'act2' differs between two passes.*functional dropout",
    ),
    "memory": (Net(counted), ["act2"], "layer 'act2' differs between two passes.*remembers"),
    "train mode": (Net(in_train_mode), ["act2"], "buffer 'norm.running_mean' changes"),
    "statistics": (Net(own_statistics), ["through"], "layer 'through' gives a row other values alone"),
    "sequence over the batch": (
        Net(lambda self, h: self.rnn(h)[0]),
        ["rnn[0]"],
        "'rnn\\[0\\]' gives a row other values",
    ),
    "no running statistics": (
        nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Tanh(), nn.Linear(4, 2)),
        ["2"],
        "layer '2' gives a row other values alone",
    ),
    "tuple logits": (Net(last=lambda logits: (logits, 1)), ["act"], "logits \\(n, classes\\), got a tuple for 8"),
    "flat logits": (Net(last=lambda logits: logits[:, 0]), ["act"], "logits \\(n, classes\\), got \\(8,\\)"),
    "few classes": (
        Net(last=lambda logits: logits[:, :1]),
        ["act"],
        "an output for each of the 2 classes of .*, got 1",
    ),
    "fails": (Net(lambda self, h: h @ h), ["act"], "fails on inputs of shape \\(8, 6\\): RuntimeError: mat1 and mat2"),
    "fails alone": (Net(lambda self, h: h.squeeze()[:, :]), ["act"], "fails on inputs of shape \\(1, 6\\): IndexError"),
    "no module": (functional.relu, ["act"], "a network must be a torch.nn.Module, got function"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line(fault):
    torch.manual_seed(0)
    module, layers, message = FAULTS[fault]
    with pytest.raises(NetworkError, match=message) as error:
        check(module, layers, X, classes=2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "layers"),
    [
        (good(), ["2", "5"]),
        (good().double(), ["2", "5"]),
        (Net(), ["act", "act2"]),
        (Net(lambda self, h: self.rnn(h[:, None])[0][:, 0]), ["act", "rnn[0]", "act2"]),
        (Net(sequence_first), ["rnn[0]", "act2"]),
        (Net(lambda self, h: self.norm(h)), ["norm"]),
        (Net(lambda self, h: functional.relu_(self.through(h))), ["first", "through"]),
    ],
)
def test_a_good_network_passes_and_is_left_as_it_was(module, layers):
    module.train()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    check(module, layers, X, classes=2)
    assert all(each.training and not each._forward_hooks for each in module.modules())
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())


def test_buffers_that_a_pass_changes_are_restored():
    module = Net(in_train_mode)
    with pytest.raises(NetworkError):
        check(module, ["act2"], X)
    assert not module.norm.running_mean.any()
