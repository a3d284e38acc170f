"""A model in memory is measured: brackets hold the truth, and the model is left as it was."""

import copy
import doctest

import numpy as np
import pytest
import torch
from torch import nn

import ibshift
from ib_core.channels.closed_forms import gaussian_atoms, linear_chain_information, neuron_chain_information
from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from tasks.api import cell, measure, modules, signals

RNG = np.random.default_rng(0)
CHEAP = {"passes": 4, "own_passes": 20, "target_stderr": 0.2, "max_draws": 2000, "quiet": True}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.act = nn.Linear(3, 3), nn.Tanh()

    def forward(self, x):
        return x + self.act(self.inner(x))


def small(*middle: nn.Module, classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), *middle, nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, classes))


def linear(*matrices: np.ndarray) -> nn.Module:
    """The maps in a row, and a read-out."""
    places = [nn.Linear(*matrix.shape[::-1], bias=False) for matrix in matrices]
    for place, matrix in zip(places, matrices, strict=True):
        place.weight.data = torch.from_numpy(matrix)
    return nn.Sequential(*places, nn.Linear(len(matrices[-1]), 2)).double()


X, Y = RNG.normal(size=(12, 3)), np.arange(12) % 2


def test_a_linear_network_has_the_information_of_gaussian_channels():
    matrices = [np.array([[0.8, 0.3], [-0.2, 0.5]]), np.array([[0.7, -0.6]])]
    atoms, law = gaussian_atoms(nodes=8, d=2)
    found = ibshift.measure(linear(*matrices), atoms, layers=["0", "1"], beta=0.5, weights=law, passes=32, quiet=True)
    for row, truth in zip(found.table.itertuples(), linear_chain_information(matrices, beta=0.5), strict=True):
        assert row.low <= truth <= row.high <= row.low + 0.15


def test_a_chain_of_neurons_has_the_information_that_quadrature_finds():
    inputs, tilted = np.linspace(-2, 2, 9), np.arange(1.0, 10.0)
    model = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 2)).double()
    for place, slope, offset in ((0, 1.5, 0.2), (2, 2.0, -0.1)):
        nn.init.constant_(model[place].weight, slope)
        nn.init.constant_(model[place].bias, offset)

    def truth(inputs, weights=None):
        return neuron_chain_information(inputs, [1.5, 2.0], [0.2, -0.1], 0.4, weights=weights)

    laws = {"tilted": tilted, "closer": inputs[:, None] / 4}
    found = ibshift.measure(model, inputs, layers=["1", "3"], beta=0.4, laws=laws, passes=40, quiet=True).table
    known = {"reference": truth(inputs), "tilted": truth(inputs, tilted / 45), "closer": truth(inputs / 4)}
    assert list(found.law) == 2 * list(known) and list(found.layer) == 3 * ["1"] + 3 * ["3"]
    for layer, rows in found.groupby("layer"):
        k = ["1", "3"].index(layer)
        for row in rows.itertuples():
            change = known[row.law][k] - known["reference"][k]
            assert row.low <= known[row.law][k] <= row.high <= row.low + 0.2
            assert row.change_low <= change <= row.change_high <= row.change_low + 0.4
            assert row.clear == (not row.change_low <= 0 <= row.change_high)
            assert row.stderr > 0 and row.clear >= (row.law == "closer")


def test_the_label_is_known_as_well_as_the_half_of_the_line_where_noise_is_small():
    model = linear(np.array([[1.0]]))
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    nn.init.zeros_(model[1].bias)
    model[1].weight.data = torch.tensor([[-1.0], [1.0]]).double()
    found = ibshift.measure(model, x, y=[0, 0, 1, 1], layers=["0"], beta=0.1, laws={"left": [1, 1, 0, 0]}, quiet=True)
    reference, left = found.table.itertuples()
    assert reference.label_low == pytest.approx(np.log(2), abs=0.02) and left.label_high < 1e-6
    assert reference.accuracy == reference.noisy_accuracy == left.accuracy == 1
    wrong = ibshift.measure(model, x, y=[0, 1, 1, 1], layers=["0"], beta=0.1, weights=[1, 2, 1, 1], quiet=True).table
    assert wrong.accuracy[0] == wrong.noisy_accuracy[0] == pytest.approx(3 / 5)


def test_a_connection_that_passes_a_layer_by_is_seen():
    found = ibshift.measure(small(Residual()), X, layers=["1", "2.act", "4"], beta=0.3, **CHEAP)
    assert found.layers.cut.to_dict() == {"1": True, "2.act": False, "4": True}
    assert "2.act is no cut" in repr(found) and "4 is no cut" not in repr(found)


def test_what_is_known_of_layers_is_what_their_modules_say():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    found = ibshift.measure(model, X, layers=["1", "3"], beta=[0.1, 0.2], **CHEAP).layers
    assert found["shape"].tolist() == [(5,), (4,)] and found.noise.tolist() == [0.1, 0.2]
    assert found.half_width["1"] == 1 and np.isnan(found.half_width["3"])
    assert found.capacity["3"] == pytest.approx(2 * np.log1p(found.power["3"] / 0.04))
    relative = ibshift.measure(model, X, layers=["1", "3"], beta=[0.1, 0.2], noise="relative", **CHEAP).layers
    with torch.no_grad():
        signals = [model[: k + 1](torch.from_numpy(X).float()).double() for k in (1, 3)]
    sizes = [float(each.square().mean().sqrt()) for each in signals]
    assert relative.noise.tolist() == pytest.approx([0.1 * sizes[0], 0.2 * sizes[1]], rel=1e-5)


def test_families_give_the_laws_that_shifted_gives():
    images, labels = RNG.random((6, 8, 8)), np.array([0, 1, 2, 0, 1, 2])
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.Tanh(), nn.Linear(2, 3))
    law = InputLaw(images.reshape(6, -1), np.full(6, 1 / 6), labels, (8, 8))
    wanted = {
        "some of one": ("contamination", 0.1, {"atom": 2}),
        "turned": ("rotation", 10.0),
        "turned so far": ["rotation", 0.3, {"metric": "w2"}],
        "none": ("rotation", 0),
    }
    found = ibshift.measure(model, images, y=labels, layers=["2"], beta=0.1, laws=wanted, **CHEAP)
    for name, (family, size, *parameters) in wanted.items():
        truth = shifted(family, law, size, **dict(*parameters)).law
        assert np.array_equal(found.laws[name].atoms, truth.atoms)
        assert np.allclose(found.laws[name].weights, truth.weights, rtol=1e-14, atol=0)
    rows = found.table.set_index("law")
    assert rows.change_low["none"] == rows.change_high["none"] == 0 and rows.low["none"] == rows.low["reference"]


def test_an_adversary_sees_the_noisy_network():
    model = small()
    law = {"attacked": ("adversarial", 0.5, {"steps": 5})}
    found = ibshift.measure(model, X, y=Y, layers=["1"], beta=0.1, laws=law, **CHEAP).laws
    steps = np.linalg.norm(found["attacked"].atoms - X, axis=1)
    with torch.no_grad():
        before, after = (
            nn.functional.cross_entropy(model(torch.from_numpy(each.atoms).float()), torch.from_numpy(Y))
            for each in found.values()
        )
    assert steps.max() <= 0.5 * (1 + 1e-6) and after > before + 0.02


def test_a_wide_layer_is_enclosed_by_a_projection_and_the_entropy_of_the_input():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 9), nn.Tanh(), nn.Linear(9, 2))
    options = {"layers": ["1", "3"], "beta": 0.2, "laws": {"tilted": np.arange(1, 13), "moved": X + 0.5}}
    whole = ibshift.measure(model, X, **options, passes=32, quiet=True)
    found = ibshift.measure(model, X, **options, widest=8, quiet=True)
    assert found.layers.directions["1"] == 0 < found.layers.directions["3"] <= 9
    assert "3 has 9 units" in repr(found)
    wide, known = (each.table[each.table.layer == "3"] for each in (found, whole))
    highest = [law.entropy for law in found.laws.values()]
    assert wide.high.to_numpy() == pytest.approx(highest) and (wide.low.to_numpy() <= known.high.to_numpy()).all()
    assert (wide.change_low.to_numpy() <= known.change_high.to_numpy()).all() and (wide.low > 0.3).all()
    reference, _, moved = (
        wide.itertuples()
    )  # cells of their own: a change is that of opposite ends, here H(X) and another
    assert moved.change_low == pytest.approx(moved.low - reference.high)
    assert moved.change_high == pytest.approx(moved.high - reference.low)


def test_the_same_call_gives_the_same_bits_and_another_seed_others():
    laws = {"tilted": np.arange(1, 13), "moved": X + 0.5}

    def table(**options):
        return ibshift.measure(small(), X, y=Y, layers=["1", "3"], beta=0.3, laws=laws, **CHEAP, **options).table

    once = table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "HELD_BYTES", 0)  # signals of a layer at a time
        assert table().equals(once)
    assert not table(seed=1).low.equals(once.low)


@pytest.mark.parametrize("kind", [np.float32, "tensor", "lists"])
def test_inputs_are_arrays_tensors_or_lists(kind):
    x = X.astype(np.float32)
    given = {np.float32: x, "tensor": torch.from_numpy(x), "lists": x.tolist()}[kind]
    y = torch.from_numpy(Y) if kind == "tensor" else Y.tolist()
    found, truth = (
        ibshift.measure(small(), each, y=labels, layers=["1"], beta=0.3, **CHEAP).table
        for each, labels in ((given, y), (x.astype(np.float64), Y))
    )
    assert found.equals(truth)


class Fails(nn.Module):
    """Raises at the call of that number."""

    def __init__(self, call):
        super().__init__()
        self.register_buffer("scale", torch.ones(1))
        self.call, self.count = call, 0

    def forward(self, x):
        self.count += 1
        if self.count == self.call:
            raise RuntimeError("no more")
        return self.scale * x


@pytest.mark.parametrize("call", [None, 1, 4, 30, 66])
def test_the_model_is_left_as_it_was_whatever_happens(call):
    model = small(nn.BatchNorm1d(3), nn.Dropout(), Fails(call)).train()
    model[3].eval()
    before, modes = copy.deepcopy(model.state_dict()), [each.training for each in model.modules()]
    state = torch.get_rng_state()
    laws = {"tilted": np.arange(1, 13), "moved": X + 0.5}
    try:
        ibshift.measure(model, X, y=Y, layers=["1", "6"], beta=0.3, laws=laws, **CHEAP)
        assert call is None
    except (RuntimeError, ValueError) as error:
        assert "no more" in str(error) and call is not None
    assert [each.training for each in model.modules()] == modes and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    assert all(each.grad is None and each.requires_grad for each in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, "must be a torch.nn.Module, got NoneType"),
        ({"model": nn.Sequential(nn.Linear(4, 2), nn.Tanh()), "layers": ["1"]}, "the network fails on inputs of shape"),
        ({"layers": "1"}, "layers must be a list of names"),
        ({"layers": ["l"]}, "layers must name submodules, got 'l'"),
        ({"layers": ["3", "1"]}, "order of the forward pass"),
        ({"beta": 0}, "beta must be positive"),
        ({"beta": [0.1]}, "one for each of 2 layers"),
        ({"beta": "loud"}, "beta must be positive"),
        ({"noise": "loud"}, 'noise must be "absolute" or "relative"'),
        ({"x": np.full((12, 3), np.nan)}, "x must be finite"),
        ({"x": X[:1]}, "at least 2 inputs"),
        ({"x": "points"}, "x must be real numbers"),
        ({"y": Y[:5]}, "a row for each point, got 12 and 5"),
        ({"y": Y - 1}, "classes 0..C-1, got -1"),
        ({"y": Y + 0.5}, "y must be integers"),
        ({"y": np.eye(2)[Y]}, r"whole number for each point, got one-hot rows \(\d+, 2\): y.argmax"),
        ({"y": np.array(["cat", "dog"])[Y]}, "whole number for each point, got text, '(cat|dog)': np.unique"),
        ({"y": Y + 1}, "an output for each of the 3 classes of the labels, got 2"),
        ({"weights": np.ones(5)}, "weights must be 12 numbers"),
        ({"weights": -np.ones(12)}, "not negative"),
        ({"passes": 0}, "passes must be a whole number from 1"),
        ({"passes": 2.5}, "passes must be a whole number"),
        ({"own_passes": 3}, "own_passes must be at least 4"),
        ({"target_stderr": 0}, "target_stderr must be positive"),
        ({"max_draws": 0}, "max_draws must be a whole number"),
        ({"widest": "all"}, "widest must be a whole number"),
        ({"laws": [np.ones(12)]}, "laws must be given by name"),
        ({"laws": {"reference": np.ones(12)}}, "must not be named 'reference'"),
        ({"laws": {"some": np.ones(11)}}, r"laws\['some'\]: .*weights of shape \(12,\), inputs of shape \(12, 3\)"),
        ({"laws": {"some": np.zeros(12)}}, r"laws\['some'\]: weights must not be negative, nor all zero"),
        ({"laws": {"some": X[:, :2]}}, r"laws\['some'\]: a law must be"),
        ({"laws": {"some": X * np.inf}}, r"laws\['some'\]: the law must be finite"),
        ({"laws": {"some": None}}, r"laws\['some'\]: the law must be"),
        ({"laws": {"some": "contamination"}}, r"laws\['some'\]: a family must be given as \(name, size\)"),
        ({"laws": {"some": ("contamination", "much")}}, r"laws\['some'\]: a family must be given as"),
        ({"laws": {"some": ("contamination", 0.1, 3)}}, r"laws\['some'\]: a family must be given as"),
        ({"laws": {"some": ("pollution", 0.1)}}, r"laws\['some'\]: a family must be one of .*, got 'pollution'"),
        ({"laws": {"some": ("contamnation", 0.1)}}, r"got 'contamnation' \(did you mean contamination\?\)"),
        ({"laws": {"some": ("class_prior", 0.1, {"lable": 1})}}, r"takes label \(did you mean label\?\), got 'lable'"),
        ({"laws": {"some": ("class_prior", 0.1, {"label": "one"})}}, r"label must be a whole number, got 'one'"),
        ({"laws": {"some": ("contamination", 2.0)}}, r"laws\['some'\]: .*reaches TV"),
        ({"laws": {"some": ("contamination", 0.1, {"much": 1})}}, r"\['some'\]: contamination takes atom, got 'much'"),
        ({"laws": {"some": ("rotation", 10.0)}}, r"laws\['some'\]: atoms must be images"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(options, message):
    given = {"model": small(), "x": X, "layers": ["1", "3"], "beta": 0.1, **CHEAP, **options}
    with pytest.raises(ValueError, match=message) as refused:
        ibshift.measure(given.pop("model"), given.pop("x"), **given)
    assert "\n" not in str(refused.value)


def test_a_page_and_a_figure_show_what_the_table_holds():
    found = ibshift.measure(small(), X, y=Y, layers=["1", "3"], beta=0.3, laws={"<tilted>": np.arange(1, 13)}, **CHEAP)
    figure = found.plot()
    know, labels = figure.axes
    for axes, low, high in ((know, "low", "high"), (labels, "label_low", "label_high")):
        drawn = sorted(tuple(segment[:, 1]) for lines in axes.collections for segment in lines.get_segments())
        assert np.allclose(drawn, sorted(zip(found.table[low], found.table[high], strict=True)))
        assert axes.get_ylim()[0] == 0 and "nats" in axes.get_ylabel() and axes.get_title()
    assert know.get_ylim()[1] > np.log(12) and figure._repr_png_().startswith(b"\x89PNG")
    assert "&lt;tilted&gt;" in found._repr_html_() and "<tilted>" not in found._repr_html_()
    row = found.table.iloc[0]
    assert f"{row.low:.3f} to {row.high:.3f}" in repr(found) and "H(X) = 2.485" in repr(found)


@pytest.mark.parametrize(
    "shown", [measure.measure, signals.information, modules.layers], ids=lambda each: each.__name__
)
def test_an_example_prints_what_it_says(shown):
    (example,) = doctest.DocTestFinder(recurse=False).find(shown, globs=dict(shown.__globals__))
    printed = []
    flags = doctest.NORMALIZE_WHITESPACE
    assert (
        example.examples
        and not doctest.DocTestRunner(verbose=False, optionflags=flags).run(example, out=printed.append).failed
    ), "".join(printed)
