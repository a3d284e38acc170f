"""Whether a layer knows its labels at all: I(T; Y) beside its values for labels in random order."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ib_core.checks import finite_array, label_indices, law_column, positive
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import ungrouped
from ib_core.streams import stream

DRAWS = 8192  # points in all, at least one of each atom
COLUMNS = 256  # weight columns at a time


@dataclass(frozen=True)
class LabelNull:
    """I(T; Y) of the channel of the passes in nats, on common draws.

    Attributes:
        observed: with the labels as they are.
        null: (permutations,) with labels in random order, each atom keeping its weight.
        p_value: part of all orders, the given one among them, with at least what is observed: at most alpha with
            probability alpha, if labels and signals have nothing to do with each other.
    """

    observed: float
    null: np.ndarray
    p_value: float


def label_null(
    passes: Any, beta: float, labels: Any, *, weights: Any = None, permutations: int = 399, seed: int = 0
) -> LabelNull:
    """A permutation test of I(T; Y) = 0 for the labels of the atoms.

    On an enumerated law I(T; Y) is not 0 for labels without meaning: where a layer tells its inputs apart it tells
    their labels, whatever they are. What it knows beyond that is above the values for labels in random order. All
    orders share the draws, and those that are drawn are exchangeable with the given one where labels carry no meaning.

    Args:
        passes: (N, n_x, d) signals of N atoms.
        beta: standard deviation of the noise.
        labels: (N,) Y as a function of X.
        weights: (N,) law of the atoms; uniform by default. Labels of atoms of weight 0 are not among the orders.
        permutations: random orders.
        seed: key of the draws and orders.

    Source: Fisher, The Design of Experiments, 1935; Phipson and Smyth, 2010, for the given order among all.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law, label = law_column(weights, n)[:, 0], label_indices(labels, n)
    passes, law, label, n = passes[law > 0], law[law > 0], label[law > 0], int((law > 0).sum())
    draws, orders = stream(seed, "label_null", "draws"), stream(seed, "label_null", "orders")
    atoms = Atoms(passes, positive(beta, "beta"))
    each = max(1, -(-DRAWS // n))
    atom = np.repeat(np.arange(n), each)
    which = draws.integers(n_passes, size=len(atom))
    points = atoms.centres[atom, which] + draws.standard_normal((len(atom), d))
    own = atoms.own(points, atom, which)
    orderings = np.stack([label, *(orders.permutation(label) for _ in range(permutations))])  # (P + 1, N)
    classes = int(label.max()) + 1
    log_all = log_totals(atoms, points, ungrouped(law[:, None]), own)[0, :, 0]
    share = law[atom] / each
    found = np.empty(len(orderings))
    step = max(1, COLUMNS // classes)
    for first in range(0, len(orderings), step):
        some = orderings[first : first + step]
        of_class = some[:, None] == np.arange(classes)[:, None]  # (P', C, N)
        mass = np.where(of_class, law, 0.0).sum(2)  # (P', C)
        columns = np.where(of_class, law, 0.0) / np.maximum(mass, np.finfo(float).tiny)[..., None]
        own_class = some[:, atom]  # (P', m)
        wanted = own_class[..., None] == np.arange(classes)
        logs = log_totals(
            atoms,
            points,
            ungrouped(columns.reshape(-1, n).T.copy()),
            own,
            wanted.transpose(1, 0, 2).reshape(len(points), -1),
        )[0].reshape(len(points), len(some), classes)
        chosen = np.take_along_axis(logs, own_class.T[..., None], 2)[..., 0]  # (m, P')
        found[first : first + step] = share @ (chosen - log_all[:, None])
    return LabelNull(float(found[0]), found[1:], float(np.mean(found >= found[0])))
