"""Weights are those of the file, whichever tool wrote it, or one line says what is wrong."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ib_core.networks.hooks import NetworkError
from tasks.points.weights import load_weights


def module(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def prefixed(state, prefix):
    return {prefix + name: each for name, each in state.items()}


@pytest.mark.parametrize(
    "prefix", ["", "module.", "network.", "model.", "_orig_mod.", "module._orig_mod.", "model.module."]
)
@pytest.mark.parametrize("kind", ["safetensors", "pt", "pth"])
def test_weights_are_those_of_the_file(tmp_path, prefix, kind):
    trained, fresh, path = module(0), module(1), tmp_path / f"weights.{kind}"
    trained[1].running_mean.fill_(3)
    state = prefixed(trained.state_dict(), prefix)
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": state} if kind == "pt" else {"model_state_dict": state}, path)
    load_weights(fresh, path)
    for name, each in trained.state_dict().items():
        assert torch.equal(each, fresh.state_dict()[name])


def test_names_that_begin_like_a_prefix_are_kept_where_they_fit(tmp_path):
    class Outer(nn.Module):
        def __init__(self, seed):
            super().__init__()
            self.model = module(seed)

    one, other = Outer(0), Outer(1)
    torch.save(one.state_dict(), tmp_path / "a.pt")
    load_weights(other, tmp_path / "a.pt")
    assert torch.equal(one.model[0].weight, other.model[0].weight)


def test_tied_weights_are_stored_once(tmp_path):
    def tied():
        net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
        net[2].weight = net[0].weight
        return net

    one, other = tied(), tied()
    state = one.state_dict()
    del state["2.weight"]
    save_file(state, tmp_path / "tied.safetensors")
    load_weights(other, tmp_path / "tied.safetensors")
    assert torch.equal(other[2].weight, one[0].weight)


def damaged(path):
    path.write_bytes(b"abc")


def whole_module(path):
    torch.save(module(), path)


def saved(change):
    def write(path):
        state = module().state_dict()
        change(state)
        torch.save(prefixed(state, "module."), path)

    return write


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("w.pt", lambda path: None, "weights must be a file, got .*w.pt: there is none"),
        ("w.npz", damaged, "must be a .safetensors, .pt or .pth file, got"),
        ("w.pt", damaged, "weights cannot be read from .*; save module.state_dict"),
        ("w.safetensors", damaged, "weights cannot be read from"),
        ("w.pt", whole_module, "weights cannot be read from .*; save module.state_dict"),
        ("w.pt", lambda path: torch.save([torch.ones(2)], path), "a state_dict of tensors, .*, got a list in"),
        ("w.pt", lambda path: torch.save({"epoch": 3}, path), "a state_dict of tensors, .*, got a dict in"),
        ("w.pt", saved(lambda state: state.pop("0.bias")), "w.pt must fit the network, but lack 0.bias$"),
        ("w.pt", saved(lambda state: state.update(extra=torch.ones(1))), "but have besides extra$"),
        (
            "w.pt",
            saved(lambda state: state.update({"8.weight": state.pop("2.weight"), "8.bias": state.pop("2.bias")})),
            "but lack 2.weight, 2.bias and have besides 8.weight, 8.bias$",
        ),
        (
            "w.pt",
            saved(lambda state: state.update({"0.weight": torch.ones(4, 7)})),
            "0.weight must have shape \\(4, 3\\), got \\(4, 7\\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_one_line_and_change_nothing(tmp_path, name, write, message):
    write(tmp_path / name)
    fresh = module(1)
    with pytest.raises(NetworkError, match=message) as error:
        load_weights(fresh, tmp_path / name)
    assert "\n" not in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), module(1).parameters(), strict=True))
