"""Each network is trained as the settings say, its own before those of all; what is wrong is refused with its place."""

import copy

import pytest
from tiny import TINY

from flows.execution.plan import build_plan
from flows.settings.load import parse_config
from flows.settings.settings import ConfigError

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
        ("none", r"networks.1.training: must be a mapping of settings, got 'none'$"),
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
