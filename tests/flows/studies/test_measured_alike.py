"""A sweep and `ibshift.measure` find the same: to the bit where laws have a cell of their own, else within brackets."""

import numpy as np
import pytest
import torch
from tiny import TINY, tiny

import ibshift
from flows.execution.plan import build_plan
from tasks.engine.recipe import reading
from tasks.store.store import Store
from tasks.sweep.laws import law_of
from tasks.sweep.networks import checkpoint
from tasks.sweep.tables import load_tables

MOVED, WEIGHED = "gaussian_displacement/0.1", "contamination/0.2"


@pytest.fixture(scope="module")
def both(finished_once):
    """The table of a measurement, and the tables of the sweep at its last checkpoint."""
    store, plan = Store(finished_once / "workspace"), build_plan(tiny())
    with reading(store):
        laws = {unit.label: law_of(unit) for stage in ("reference", "laws") for unit in plan.stages[stage]}
        network = plan.stages["training"][0]
        module = checkpoint(network, network.last)
    given, law = {MOVED: laws[MOVED].atoms, WEIGHED: laws[WEIGHED].weights}, laws["reference"]
    estimator = dict(TINY["estimator"])
    passes = estimator.pop("stored_passes")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a cell
    found = ibshift.measure(
        module.module, law.atoms, y=law.labels, layers=module.names, beta=0.5, laws=given, passes=passes, **estimator
    )
    torch.set_num_threads(threads)
    information = load_tables(finished_once / "workspace" / "sweeps" / "tiny" / "latest").information
    return found.table.assign(place=found.table.layer.map(module.names.index) + 1), information.query("epoch == 2")


def rows(information, quantity, layer, law):
    family, _, size = law.partition("/")
    where = (information.quantity == quantity) & (information.layer == layer) & (information["shift"] == family)
    return information[where & (information["size"] == float(size or 0))].set_index("estimator")


def test_a_moved_law_has_the_same_bits(both):
    measured, information = both
    for row in measured[measured.law == MOVED].itertuples():
        for quantity, ends in (("I_X_T", (row.low, row.high)), ("I_T_Y", (row.label_low, row.label_high))):
            stored = rows(information, quantity, row.place, MOVED).loc["lower"]
            assert ends == (stored.lower, stored.upper)
        stored = rows(information, "accuracy", 0, MOVED).loc["noisy_forward"]
        assert (row.noisy_accuracy, row.noisy_accuracy_stderr) == (stored.value, stored.stderr)


def test_laws_on_the_same_atoms_agree_within_their_brackets(both):
    measured, information = both
    compared = measured[measured.law != MOVED]
    assert len(compared) == 4
    for row in compared.itertuples():
        for quantity, low, high in (("I_X_T", row.low, row.high), ("dI_X_T", row.change_low, row.change_high)):
            stored = rows(information, quantity, row.place, row.law).loc["lower"]
            assert low <= stored.upper and stored.lower <= high
            assert np.isclose(high - low, stored.upper - stored.lower, rtol=0.5, atol=1e-9)
        stored = rows(information, "accuracy", 0, row.law).loc["noisy_forward"]
        assert (row.noisy_accuracy, row.noisy_accuracy_stderr) == (stored.value, stored.stderr)
