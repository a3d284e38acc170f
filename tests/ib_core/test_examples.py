"""The examples in docstrings print what they say."""

import doctest
import importlib

import pytest

SHOWN = [
    "bounds.capacity.capacity",
    "bounds.reweighting.kl_seed",
    "bounds.reweighting.tv_seed",
    "channels.amplitude.amplitude_capacity",
    "channels.bottleneck.bottleneck_curve",
    "estimators.sample_propagation.layer_information",
    "estimators.smoothed_entropy.smoothed_entropy",
    "estimators.wide.wide_information",
    "laws.divergences.kl_divergence",
    "laws.divergences.total_variation",
    "laws.family.shifted",
    "laws.input_law.InputLaw",
    "laws.wasserstein.wasserstein",
    "members.Registry",
    "networks.architectures.mlp.build_mlp",
    "networks.losses.squared_loss",
    "networks.noisy.noisy",
    "networks.noisy_network.NoisyNetwork",
    "networks.passes.noisy_passes",
    "networks.work.products",
    "worst_case.search.largest_information",
]


@pytest.mark.parametrize("path", SHOWN)
def test_an_example_prints_what_it_says(path):
    module, _, name = path.rpartition(".")
    imported = importlib.import_module(f"ib_core.{module}")
    shown = getattr(imported, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(
        getattr(shown, "__wrapped__", shown), name, module=imported, globs=dict(vars(imported))
    )
    assert example.examples, "the docstring has no example"
    printed = []
    failed = doctest.DocTestRunner(verbose=False).run(example, out=printed.append).failed
    assert not failed, "".join(printed)
