"""Each network is trained as the settings say, its own before those of all; what is wrong is refused with its place."""

import copy
import shutil

import pytest
from tiny import TINY

from flows.execution.plan import build_plan
from flows.settings.load import parse_config
from flows.settings.settings import ConfigError
from flows.studies.shift_sweep.record import shown_training
from flows.studies.shift_sweep.training import Training
from tasks.engine.make import make
from tasks.store.store import Store

LISTED = {key: value for key, value in TINY.items() if key != "network"}


def sweep(*networks, data=None, **training):
    """A tiny sweep of several networks, the first of which is trained as the settings say for all."""
    values = LISTED | {"training": TINY["training"] | training, "data": data or {"atoms": 32}}
    common = TINY["network"]
    return parse_config(
        copy.deepcopy(
            values | {"networks": [{"name": f"n{k}"} | common | each for k, each in enumerate(({}, *networks))]}
        ),
        "sweep.yaml",
    )


def trained(config):
    return build_plan(config).stages["training"]


def test_a_network_has_settings_of_its_own_and_the_others_stay_as_they_are():
    plain = trained(sweep({}))
    first, second = trained(sweep({"training": {"epochs": 5, "learning_rate": 0.1}}))
    assert first.identity == plain[0].identity != second.identity
    assert (second.schedule.epochs, second.schedule.learning_rate) == (5, 0.1)
    assert second.schedule.batch_size == TINY["training"]["batch_size"]
    (_, repeated) = trained(sweep({"training": {"epochs": TINY["training"]["epochs"]}}))
    assert repeated.identity == plain[1].identity  # what is written twice is one setting
    (_, split) = trained(sweep({"training": {"train_fraction": 0.5}}))
    assert split.split.fraction == 0.5


def test_the_initial_weights_are_a_checkpoint_of_their_own():
    first, second = trained(sweep({"training": {"untrained": True, "epochs": 100, "checkpoints": 3}}))
    assert first.kept == [1, 2] and second.kept == [0, 1, 10, 100]


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"epochs": "many"}, r"networks.1.training.epochs: must be a valid integer, got 'many'$"),
        ({"epoch": 3}, r"networks.1.training.epoch: unknown setting \(did you mean epochs\?\); known here: epochs, "),
        ({"momentum": 0.5}, r"networks.1.training: momentum must be left out unless optimizer is sgd, got 0.5$"),
        ({"loss": "absolute"}, r"networks.1.training.loss: must be 'cross_entropy' or 'squared', got 'absolute'$"),
        (["epochs"], r"networks.1.training: must be a mapping of settings, got \['epochs'\]$"),
        ("nothing", r"networks.1.training: must be a mapping of settings, got 'nothing'$"),
        ("none", r"networks.1.training must not be none for mlp, whose weights come from training$"),
    ],
)
def test_a_wrong_setting_of_one_network_is_named_with_its_place(training, expected):
    with pytest.raises(ConfigError, match=f"^sweep.yaml: {expected}"):
        sweep({"training": training})


def test_networks_that_share_what_is_measured_share_what_they_are_trained_on():
    with pytest.raises(ConfigError, match=r"networks.1.training.train_fraction must be left out .* test .* got 0.5"):
        sweep({"training": {"train_fraction": 0.5}}, data={"part": "test"})
    values = copy.deepcopy(LISTED) | {"training": "none", "network": {"training": {"epochs": 3}}}
    with pytest.raises(ConfigError, match=r"training must not be none for mlp"):
        parse_config(values, "sweep.yaml")


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"objective": "kl_drow"}, r"networks.1.training.objective: must be one of .*did you mean kl_dro\?"),
        ({"objective": "kl_dro"}, r"networks.1.training: radius must be greater than 0 for kl_dro \(kl\), got null"),
        ({"radius": 0.1}, r"networks.1.training: radius must be left out for erm, which has none, got 0.1"),
        ({"objective": "cvar_dro", "radius": 1.5}, r"radius must be .* at most 1 for cvar_dro \(level\), got 1.5"),
        ({"shift": {"family": "rotatoin", "size": 1.0}}, r"networks.1.training.shift.family: .*did you mean rotation"),
        ({"shift": {"family": "rotation", "size": 9.0}}, r"networks.1.training.shift.size \(rotation\): .*images"),
        (
            {"shift": {"family": "adversarial", "size": 1.0}},
            "networks.1.training.shift: family must not see the network",
        ),
        ({"shift": {"family": "contamination", "size": 1.5}}, r"networks.1.training.shift: size in TV .* got 1.5"),
        ({"shift": {"family": "contamination", "size": 0.1, "share": 0.0}}, r"training.shift.share: must be greater"),
        (
            {"shift": {"family": "class_prior", "size": 0.1, "parameters": {"lable": 1}}},
            "networks.1.training.shift: class_prior takes label .did you mean label",
        ),
        ({"shift": {"family": "class_prior", "size": 0.9, "parameters": {"label": 1}}}, r"shift.size .*reaches TV"),
        (
            {"shift": {"family": "law_mixture", "size": 0.1, "parameters": {"weight": "a.csv#w"}}},
            "networks.1.training.shift: parameters.weight must be no file",
        ),
    ],
)
def test_an_objective_or_a_shift_that_there_is_not_is_named_with_its_place(training, expected):
    with pytest.raises(ConfigError, match=expected):
        sweep({"training": training})


def test_objective_and_shift_identify_a_network_and_nothing_else_does():
    shift = {"family": "contamination", "size": 0.1}
    first, plain, robust, seen = trained(
        sweep({}, {"training": {"objective": "kl_dro", "radius": 0.1}}, {"training": {"shift": shift}})
    )
    assert first.identity == plain.identity and len({plain.identity, robust.identity, seen.identity}) == 3
    assert any(name == "kl_dro" for _, name in robust.members) and seen.schedule.shift.share == 0.5
    (common, erm) = trained(sweep({"training": {"objective": "erm", "radius": None}}, objective="tv_dro", radius=0.2))
    assert common.schedule.objective == "tv_dro" and erm.identity == plain.identity


@pytest.mark.parametrize(
    "training",
    [
        {"objective": "wasserstein_dro", "radius": 0.3},
        {"objective": "group_dro", "optimizer": "sgd", "momentum": 0.5},
        {"objective": "kl_dro", "radius": 0.3, "shift": {"family": "gaussian_displacement", "size": 0.1}},
        {"shift": {"family": "contamination", "size": 0.2}},
    ],
    ids=["moved inputs", "worst class", "reweighted and deformed", "drawn"],
)
def test_robust_training_goes_on_after_a_kill_with_the_same_bits(tmp_path, training):
    stages = build_plan(sweep({"training": training | {"epochs": 4, "checkpoints": 3, "batch_size": 512}})).stages
    network = stages["training"][1]
    for place in ("whole", "killed"):
        for unit in stages["data"]:
            make(unit, str(tmp_path / place))
    assert make(network, str(tmp_path / "whole")).state == "computed"
    whole, store = Store(tmp_path / "whole").get("training", network.identity), Store(tmp_path / "killed")
    first, *_ = sorted(whole.folder.glob("epoch_*.safetensors"))
    store.scratch(network.identity).mkdir(parents=True)
    shutil.copy(first, store.scratch(network.identity))  # killed after its first checkpoint
    assert make(network, str(tmp_path / "killed")).state == "computed"
    assert store.get("training", network.identity).manifest["files"] == whole.manifest["files"]
    assert whole.manifest["files"] != {}


CHANGES = {
    "epochs": 3,
    "checkpoints": 1,
    "untrained": True,
    "loss": "squared",
    "objective": "kl_dro",
    "radius": 0.2,
    "shift": {"family": "contamination", "size": 0.1, "share": 0.5},
    "optimizer": "sgd",
    "learning_rate": 0.02,
    "final_learning_rate": 0.001,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "orthonormal": 0.1,
    "batch_size": 512,
    "train_fraction": 0.5,
}
NEEDS = {"radius": {"objective": "kl_dro", "radius": 0.1}, "momentum": {"optimizer": "sgd"}}


def test_every_setting_of_training_that_differs_is_seen_in_mlflow():
    assert set(CHANGES) == set(Training.model_fields)
    for name, value in CHANGES.items():
        before = NEEDS.get(name, {})
        change = before | ({"radius": 0.1} if name == "objective" else {}) | {name: value}
        (first, _), (second, _) = trained(sweep({}, **before)), trained(sweep({}, **change))
        assert shown_training(first) != shown_training(second), name
