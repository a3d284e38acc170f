"""A user's own points and network, beside the sweep's file: what is measured is what they are."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny import run_tiny

from flows.cli.cli import main
from flows.execution.plan import build_plan, survey
from flows.settings.load import load_config
from flows.settings.settings import ConfigError
from tasks.engine.make import make
from tasks.engine.recipe import reading
from tasks.store.parquet import read_table
from tasks.store.store import Store
from tasks.sweep.data import points_of
from tasks.sweep.laws import law_of, weights_of
from tasks.sweep.networks import checkpoint, facts_of
from tasks.sweep.tables import load_tables
from tasks.sweep.theorems import Layers

NETS = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear, self.tanh, self.out = nn.Linear(width, width), nn.Tanh(), nn.Tanh()

    def forward(self, x):
        return self.out(x + self.tanh(self.linear(x)))

def build(width=5, classes=3):
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Tanh(), Block(width), nn.Linear(width, classes))

def images():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
"""
DATA = """
import numpy as np

def load():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return rng.normal(size=(90, 4)) + y[:, None], y
"""
RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = (RNG.normal(size=(90, 4)) + Y[:, None]).astype(np.float32)
TRAIN = np.arange(90) % 5 != 0
WEIGHTS = RNG.dirichlet(np.ones(90))
OWN = {
    "name": "own",
    "data": {"source": "points.npz"},
    "network": {
        "source": "own_nets:build",
        "weights": "run/epoch_*.safetensors",
        "layers": ["2", "3.tanh", "3.out"],
        "betas": [0.3],
    },
    "training": "none",
    "shifts": [
        {"family": "contamination", "sizes": [0.0, 0.1]},
        {"family": "gaussian_displacement", "sizes": [0.2]},
    ],
    "estimator": {"stored_passes": 2, "own_passes": 20, "target_stderr": 0.1, "max_draws": 4096},
    "worst_case": {"tv": [], "kl": []},
    "resources": {"workers": 0},
}


STAGES = ("data", "reference", "laws", "training", "activations", "information", "bounds")


def section(values, **changes):
    """The settings with some of their sections changed; None takes a setting away."""
    out = {**values}
    for name, change in changes.items():
        before = values.get(name) if isinstance(values.get(name), dict) else {}
        merged = {**before, **change} if isinstance(change, dict) else change
        out[name] = {k: v for k, v in merged.items() if v is not None} if isinstance(merged, dict) else merged
    return out


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A folder with points, a module and weights at two epochs; the sweep's file goes beside them."""
    folder, path, paths = tmp_path_factory.mktemp("own"), sys.path.copy(), os.environ.get("PYTHONPATH")
    (folder / "own_nets.py").write_text(NETS)
    (folder / "own_data.py").write_text(DATA)
    np.savez(folder / "points.npz", x=X, y=Y, weights=WEIGHTS, train=TRAIN)
    (folder / "run").mkdir()
    sys.path.append(str(folder))
    import own_nets

    for epoch in (2, 10):  # not in the order of their names
        torch.manual_seed(epoch)
        module = own_nets.build()
        with torch.no_grad():
            module(torch.from_numpy(X))  # the statistics of batch norm
        save_file(module.state_dict(), folder / "run" / f"epoch_{epoch}.safetensors")
    yield folder
    sys.path[:] = path
    os.environ.pop("PYTHONPATH") if paths is None else os.environ.update(PYTHONPATH=paths)
    for name in ("own_nets", "own_data"):
        sys.modules.pop(name, None)


def config_in(folder, values=OWN):
    (folder / "own.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return load_config(str(folder / "own.yaml"))


def trained(**data):
    """The same points under the network of the house, trained a little."""
    return section(
        OWN,
        data=data,
        network={"source": "mlp", "weights": None, "layers": None, "widths": [3, 2]},
        training={"epochs": 2, "checkpoints": 2, "learning_rate": 0.01},
    )


def laws_in(workspace, config):
    """The laws of a plan by their labels, made with all that they are made from."""
    stages = build_plan(config).stages
    for unit in [*stages["data"], *stages["reference"], *stages["laws"]]:
        ended = make(unit, str(workspace))
        assert ended.state in ("computed", "reused"), ended.message
    return {unit.label: unit for unit in (*stages["reference"], *stages["laws"])}


@pytest.fixture(scope="module")
def finished(beside, tmp_path_factory):
    """The workspace of the finished sweep."""
    workspace = tmp_path_factory.mktemp("workspace")
    run_tiny(workspace, config_in(beside), stages=STAGES)
    return workspace


@pytest.fixture(scope="module")
def tables(beside, finished):
    (unit,) = build_plan(config_in(beside)).stages["bounds"]
    return load_tables(Store(finished).get("bounds", unit.identity).folder)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"part": "train"}, {"train/": TRAIN}),
        ({"part": "test"}, {"test/": ~TRAIN}),
        ({"part": None}, {"test/": ~TRAIN}),
        ({"part": "all"}, {"": TRAIN | True}),
        ({"part": "both"}, {"test/": ~TRAIN, "train/": TRAIN}),
    ],
    ids=["train", "test", "as the data say", "all", "both"],
)
def test_the_atoms_are_the_points_of_the_part(beside, tmp_path, data, rows):
    laws = laws_in(tmp_path, config_in(beside, section(OWN, data=data)))
    titles = ("reference", "contamination/0.1", "gaussian_displacement/0.2")
    assert set(laws) == {prefix + title for prefix in rows for title in titles}
    with reading(Store(tmp_path)):
        for prefix, chosen in rows.items():
            reference = law_of(laws[f"{prefix}reference"])
            assert (reference.atoms == X[chosen]).all() and (reference.labels == Y[chosen]).all()
            np.testing.assert_allclose(reference.weights, WEIGHTS[chosen] / WEIGHTS[chosen].sum(), rtol=1e-12)
            reweighted, moved = (laws[f"{prefix}{title}"] for title in titles[1:])
            # Atoms are stored once: a reweighting holds weights alone.
            assert read_table(reweighted.file("law.parquet")).column_names == ["weight"]
            assert law_of(reweighted).atoms is reference.atoms or (law_of(reweighted).atoms == reference.atoms).all()
            assert (weights_of(reweighted) == law_of(reweighted).weights).all()
            assert (law_of(moved).atoms != reference.atoms).any() and (weights_of(moved) == reference.weights).all()
            facts = json.loads(reweighted.file("law.json").read_text())
            assert facts["tv"] == pytest.approx(0.1, rel=1e-9) and facts["n_atoms"] == chosen.sum()


def test_a_subset_is_stratified_within_its_part(beside, tmp_path):
    config = config_in(beside, section(OWN, data={"part": "train", "atoms": 30}))
    laws = laws_in(tmp_path, config)
    with reading(Store(tmp_path)):
        law = law_of(laws["train/reference"])
    rows = [int(np.flatnonzero((x == X).all(axis=1))[0]) for x in law.atoms.astype(np.float32)]
    assert len(set(rows)) == 30 and TRAIN[rows].all() and np.bincount(law.labels).tolist() == [10, 10, 10]
    with pytest.raises(ConfigError, match="data: atoms must be at most the 18 points of the part test, got 19"):
        config_in(beside, section(OWN, data={"part": "test", "atoms": 19}))


def test_what_is_measured_as_test_is_what_no_network_was_trained_on(beside, tmp_path):
    """Where the data say no parts, all networks share the one that the settings' seed draws."""
    values = section(trained(source="own_data:load", part="test", seed=5), network={"seeds": [0, 1]})
    config = config_in(beside, values)
    (law,) = (law for law in laws_in(tmp_path, config).values() if law.kind == "reference")
    networks = build_plan(config).stages["training"]
    with reading(Store(tmp_path)):
        points, atoms = points_of(networks[0].data), law_of(law).atoms
        for network in networks:
            train, test = network.split.rows(points)
            assert (points.x[test] == atoms).all() and len(train) == 72 and not set(train) & set(test)
    each = build_plan(config_in(beside, section(values, data={"part": None}))).stages["training"]
    assert each[0].split != each[1].split  # where all points are measured each network draws its own


def states(config, workspace):
    found = survey(build_plan(config), Store(workspace))
    return {state.unit.stage: state.state for state in found if state.unit.stage in STAGES}


def test_a_moved_folder_makes_nothing_stale_and_changed_content_does(beside, finished, tmp_path, monkeypatch):
    assert set(states(config_in(beside), finished).values()) == {"ready"}
    moved = tmp_path / "elsewhere"
    shutil.copytree(beside, moved)
    (moved / "points.npz").rename(moved / "other_name.npz")
    (moved / "run").rename(moved / "checkpoints")
    values = section(OWN, data={"source": "other_name.npz"}, network={"weights": "checkpoints/epoch_*.safetensors"})
    assert set(states(config_in(moved, values), finished).values()) == {"ready"}

    np.savez(
        moved / "other_name.npz",
        x=X + np.float32(1e-3) * (np.arange(90) == 7)[:, None],
        y=Y,
        weights=WEIGHTS,
        train=TRAIN,
    )
    assert set(states(config_in(moved, values), finished).values()) == {"stale"}
    np.savez(moved / "other_name.npz", x=X, y=Y, weights=WEIGHTS, train=TRAIN)
    shutil.copy(moved / "checkpoints" / "epoch_2.safetensors", moved / "checkpoints" / "epoch_10.safetensors")
    found = states(config_in(moved, values), finished)
    assert {stage for stage, state in found.items() if state == "ready"} == {"data", "reference", "laws"}


def test_a_function_that_returns_other_points_makes_everything_stale(beside, tmp_path):
    import own_data

    values = trained(source="own_data:load", part=None)
    laws_in(tmp_path, config_in(beside, values))
    before = {unit.stage: unit.identity for unit in build_plan(config_in(beside, values))}
    path = own_data.__file__
    for code, same in ((DATA + "\n\nOTHER = 3\n", True), (DATA.replace("default_rng(0)", "default_rng(1)"), False)):
        sys.modules.pop("own_data")
        Path(path).write_text(code)
        os.utime(path, (1, 1 + len(code)))  # another time, so that no old bytecode is taken
        after = {unit.stage: unit.identity for unit in build_plan(config_in(beside, values))}
        assert all((after[stage] == before[stage]) == same for stage in before)
    (beside / "own_data.py").write_text(DATA)
    sys.modules.pop("own_data")


def test_what_changes_between_plan_and_work_is_not_taken_for_what_was_planned(beside, tmp_path):
    folder, store = tmp_path / "folder", str(tmp_path / "store")
    shutil.copytree(beside, folder)
    stages = build_plan(config_in(folder)).stages
    (data,), (network,) = stages["data"], stages["training"]
    np.savez(folder / "points.npz", x=X + 1, y=Y, weights=WEIGHTS, train=TRAIN)
    ended = make(data, store)
    assert ended.state == "failed" and "points.npz changed while the run was going on" in ended.message
    np.savez(folder / "points.npz", x=X, y=Y, weights=WEIGHTS, train=TRAIN)
    assert make(data, store).state == "computed"
    shutil.copy(folder / "run" / "epoch_2.safetensors", folder / "run" / "epoch_10.safetensors")
    ended = make(network, store)
    assert ended.state == "failed" and "epoch_10.safetensors changed while the run was going on" in ended.message


def test_clean_accuracies_of_a_given_network_are_torchs_own(beside, tables):
    import own_nets

    assert tables.history.epoch.tolist() == [2, 10]
    for row in tables.history.itertuples():
        module = own_nets.build().eval()
        module.load_state_dict(load_file(beside / "run" / f"epoch_{row.epoch}.safetensors"))
        right = (module(torch.from_numpy(X)).argmax(dim=1).numpy() == Y).astype(float)
        assert row.train_clean_accuracy == pytest.approx(right[TRAIN].mean(), abs=1e-12)
        assert row.test_clean_accuracy == pytest.approx(right[~TRAIN].mean(), abs=1e-12)


def test_a_connection_that_passes_a_layer_by_is_found_and_nothing_is_claimed_behind_it(tables):
    layers = tables.layers[tables.layers.epoch == 10].set_index("layer")
    assert layers.name.tolist() == ["2", "3.tanh", "3.out"] and layers.cut.tolist() == [True, False, True]
    assert layers.half_width.tolist() == [1, 1, 1] and layers.noise.tolist() == [0.3] * 3
    bounds = tables.bounds[(tables.bounds.epoch == 10) & (tables.bounds.concerns == "deviation")]
    caps = bounds.groupby("layer").cap.agg(["min", "max"])
    capacity = layers.capacity.to_dict()
    n = np.log(18)
    # Layer 3 knows of X what layer 1 let through; what layer 2 lets through is not all that it reads.
    assert caps.loc[3, "min"] == pytest.approx(min(n, capacity[1], capacity[3]), rel=1e-12)
    assert caps.loc[2, "max"] == pytest.approx(min(n, capacity[1], capacity[2]), rel=1e-12)
    assert not tables.bounds.holds.eq(False).any()


def test_a_layer_that_is_passed_by_caps_no_later_one():
    """As above, with a narrow layer that would cap all others if it were a cut."""
    place = {"network": "n", "beta": 0.1, "seed": 0, "epoch": 1}
    rows = [
        place | {"layer": k, "d": 3, "noise": 0.1, "half_width": 1.0, "capacity": c, "cut": cut, "lipschitz": np.nan}
        for k, (c, cut) in enumerate([(5.0, True), (1.0, False), (4.0, True), (9.0, True)], start=1)
    ]
    layers = Layers(pd.DataFrame(rows))
    assert [layers.at(place | {"layer": k})["capacity"] for k in (1, 2, 3, 4)] == [5, 1, 4, 4]
    assert layers.lipschitz(place | {"layer": 2}) == np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "run/epoch_*.pt"}, "network.weights: found no file .*run/epoch_"),
        ({"weights": "own_nets.py"}, "weights must be a .safetensors, .pt or .pth file"),
        ({"parameters": {"width": 6}}, "must have shape .*6.*, got .*5"),
        ({"parameters": {"widht": 6}}, "unexpected keyword argument 'widht'"),
        (
            {"source": "own_nets:images", "layers": ["1"]},
            "must fit the network, but lack 3.weight, 3.bias and have besides",
        ),
        ({"layers": ["2", "3.tahn", "3.out"]}, "got '3.tahn': did you mean 3.tanh"),
        ({"layers": ["3.out", "2"]}, "layers must be in the order of the forward pass, 2, 3.out"),
        ({"layers": []}, "layers must name the modules"),
        ({"source": "own_nets:biuld"}, "own_nets has no 'biuld' .did you mean build"),
        ({"source": "own_nest:build"}, "No module named 'own_nest'"),
        ({"betas": [0]}, "network.betas.0"),
        (
            {"weights": None, "parameters": {"classes": 2}},
            "^network.source .own_nets:build.: the network must have an output for each of the 3 classes .*, got 2",
        ),
    ],
    ids=str,
)
def test_a_network_that_cannot_be_measured_is_one_line(beside, change, message):
    with pytest.raises(ConfigError, match=message) as error:
        config_in(beside, section(OWN, network=change))
    assert "\n" not in str(error.value) and "network" in str(error.value)


def test_a_file_that_holds_no_points_is_named_once(beside):
    np.savez(beside / "words.npz", x=X, y=np.array(["cat", "dog", "cow"])[Y])
    for source in ("words.npz", "none.npz"):
        with pytest.raises(ConfigError, match=r"^data\.source: ") as error:
            config_in(beside, section(OWN, data={"source": source}))
        assert str(error.value).count(source) == 1


def test_wrong_keys_of_weights_end_the_command_with_exit_code_2(beside, tmp_path, monkeypatch, capfd):
    state = {f"head.{name}": value for name, value in torch.nn.Linear(4, 3).state_dict().items()}
    save_file(state, tmp_path / "wrong.safetensors")
    values = section(OWN, network={"weights": str(tmp_path / "wrong.safetensors")})
    (beside / "wrong.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(sys, "argv", ["ibshift", "run", str(beside / "wrong.yaml"), "-w", str(tmp_path / "workspace")])
    with pytest.raises(SystemExit) as end:
        main()
    error = capfd.readouterr().err
    assert end.value.code == 2 and error.count("\n") == 1
    assert "network.weights" in error and "lack 0.weight" in error and "have besides head." in error
    assert not (tmp_path / "workspace").exists()


def test_a_network_without_weights_is_measured_as_its_function_returns_it(beside, tmp_path):
    values = section(OWN, network={"weights": None, "noise": "relative", "betas": [0.5]})
    stages = build_plan(config_in(beside, values)).stages
    (network,) = stages["training"]
    assert network.kept == [0]
    for unit in (*stages["data"], network):
        assert make(unit, str(tmp_path)).state == "computed"
    with reading(Store(tmp_path)):
        levels, module = facts_of(network).levels, checkpoint(network, 0).module
    signals = {}
    for name in network.design.layers:
        module.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: signals.update({name: out}))
    with torch.no_grad():
        module.eval()(torch.from_numpy(X[TRAIN]))
    # Relative noise: half of each layer's root mean square on the points for training.
    expected = [0.5 * float(signals[name].double().square().mean().sqrt()) for name in network.design.layers]
    assert levels == pytest.approx(expected, rel=1e-6)


def test_momentum_goes_on_from_a_checkpoint_with_the_same_bits(beside, tmp_path):
    values = section(
        trained(part="both"),
        training={"epochs": 6, "checkpoints": 3, "optimizer": "sgd", "momentum": 0.9, "final_learning_rate": 0.001},
    )
    stages = build_plan(config_in(beside, values)).stages
    (network,) = stages["training"]
    for place in ("whole", "killed"):
        for unit in stages["data"]:
            make(unit, str(tmp_path / place))
    assert make(network, str(tmp_path / "whole")).state == "computed"
    whole = Store(tmp_path / "whole").get("training", network.identity)
    first, second, _ = sorted(whole.folder.glob("epoch_*.safetensors"))
    assert any("momentum" in name for name in load_file(first))
    # Killed between the second checkpoint, which was torn, and the third.
    store = Store(tmp_path / "killed")
    store.scratch(network.identity).mkdir(parents=True)
    shutil.copy(first, store.scratch(network.identity))
    (store.scratch(network.identity) / second.name).write_bytes(second.read_bytes()[:100])
    assert make(network, str(tmp_path / "killed")).state == "computed"
    assert store.get("training", network.identity).manifest["files"] == whole.manifest["files"]


def test_both_parts_stand_beside_each_other_in_every_table(beside, tmp_path):
    run_tiny(
        tmp_path,
        config_in(
            beside, section(OWN, data={"part": "both", "atoms": 15}, network={"weights": "run/epoch_10.safetensors"})
        ),
    )
    found = load_tables(tmp_path / "sweeps" / "own" / "latest")
    for name in ("information", "bounds", "attribution", "laws", "signals"):
        assert set(getattr(found, name)["split"]) == {"train", "test"}, name
    rows = found.information[found.information.estimator == "bracket"]
    assert len(rows) and (rows[rows["size"] == 0].value == 0).all()
    # A change is held against the reference of its own part.
    ends = found.information[found.information.quantity == "I_X_T"].pivot(
        index=["epoch", "split", "layer", "shift", "size"], columns="estimator", values=["lower", "upper", "value"]
    )
    moved = found.information[found.information["shift"] == "gaussian_displacement"]
    for row in moved[(moved.quantity == "dI_X_T") & (moved.estimator == "plug_in")].itertuples():
        at = row.epoch, row.split, row.layer
        ours, theirs = (
            ends.loc[(*at, *law), ("value", "plug_in")] for law in (("gaussian_displacement", 0.2), ("reference", 0))
        )
        assert row.value == pytest.approx(ours - theirs, abs=1e-12)
    assert (tmp_path / "sweeps" / "own" / "latest" / "report.html").exists()
