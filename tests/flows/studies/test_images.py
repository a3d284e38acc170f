"""The MNIST sweep on images of a rule: everything of it but the digits themselves."""

import numpy as np
import pytest
from strokes import SIDE, write_strokes

from flows.execution.run import open_run, run_study
from flows.settings.load import load_config
from flows.settings.settings import ConfigError
from ib_core.laws.divergences import total_variation
from tasks.engine.recipe import reading
from tasks.store.parquet import read_table
from tasks.sweep.laws import law_of, weights_of


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder like MNIST's."""
    return write_strokes(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
    overrides = {
        "data.source": str(images),
        "data.atoms": 60,
        "networks.0.betas": [0.1],
        "networks.0.widths": [16, 4],
        "networks.1.betas": [0.1],
        "networks.1.channels": [8, 4],
        "networks.1.widths": [6],
        "training.epochs": 12,
        "training.learning_rate": 0.005,
        "training.batch_size": 40,
        "shifts": [
            {"family": "class_prior", "sizes": [0.0, 0.1], "parameters": {"label": 1}},
            {"family": "rotation", "sizes": [10.0]},
            {"family": "adversarial", "sizes": [1.5]},
        ],
        "estimator": {"stored_passes": 4, "own_passes": 40, "target_stderr": 0.05, "max_draws": 2048},
    }
    run = open_run(load_config("mnist", overrides), tmp_path_factory.mktemp("workspace"), workers=0)
    run_study(run, lambda name, work: work() if name != "tracking" else None)
    return run


def table(run, name):
    return read_table(run.folder / f"{name}.parquet").to_pandas()


@pytest.mark.slow
def test_both_networks_learn_and_every_layer_has_a_bracket(finished):
    history = table(finished, "history").set_index("network")
    assert set(history.index) == {"mlp", "cnn"} and (history.test_accuracy > 0.9).all()
    information = table(finished, "information")
    ends = information[(information.quantity == "I_X_T") & (information.estimator == "lower")]
    assert len(ends) == (2 + 3) * 5  # layers of both networks; the reference, size 0 and three shifts
    assert (ends.status == "ok").all() and (ends.lower <= ends.upper).all() and (ends.upper <= np.log(60) + 1e-9).all()
    layers = table(finished, "layers")
    assert layers[layers.network == "cnn"].d.tolist() == [8 * SIDE**2, 4 * (SIDE // 2) ** 2, 6] and layers.cut.all()
    # 1152 units are more than widest: a projection, whose form says of how many directions.
    wide = ends[(ends.network == "cnn") & (ends.layer == 1)]
    assert wide.form.str.contains("directions").all()
    bounds = table(finished, "bounds")
    assert (bounds.holds != False).all()  # noqa: E712 - null where nothing is measured


@pytest.mark.slow
def test_an_attack_costs_more_accuracy_than_a_rotation_and_keeps_its_distance(finished):
    information, laws = table(finished, "information"), table(finished, "laws").set_index("shift")
    accuracy = information[information.quantity == "accuracy"].set_index(["network", "shift", "size"]).value
    for network in ("mlp", "cnn"):
        clean, attacked = accuracy[network, "reference", 0.0], accuracy[network, "adversarial", 1.5]
        assert attacked < clean - 0.05
    assert laws.loc["adversarial", "w2"] <= 1.5 + 1e-6 and laws.loc["rotation", "w2"] > 0
    assert laws.loc["adversarial", "metric"] == "winf" and laws.loc["rotation", "metric"] == "severity"


@pytest.mark.slow
def test_atoms_are_a_stratified_part_of_the_test_images_and_stand_in_the_store_once(finished):
    plan = finished.plan()
    with reading(finished.store):
        (reference,), laws = plan.stages["reference"], {law.title: law for law in plan.stages["laws"]}
        law = law_of(reference)
        assert np.bincount(law.labels).tolist() == [6] * 10 and law.shape == (SIDE, SIDE)
        prior = laws["class_prior/0.1"]
        assert read_table(prior.file("law.parquet")).column_names == ["weight"]
        assert total_variation(weights_of(prior), law.weights) == pytest.approx(0.1, abs=1e-7)
        assert np.array_equal(law_of(prior).atoms, law.atoms)


def test_without_its_files_the_mnist_sweep_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.delenv("IBSHIFT_MNIST_DIR", raising=False)
    with pytest.raises(ConfigError, match=r"mnist needs the folder .* IBSHIFT_MNIST_DIR; nothing is downloaded"):
        load_config("mnist")
    monkeypatch.setenv("IBSHIFT_MNIST_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="train-images-idx3-ubyte"):
        load_config("mnist")
