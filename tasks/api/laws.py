"""The laws that a caller names: weights, moved inputs, or a family of shifts with its size."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ib_core.checks import finite_array
from ib_core.laws.family import FAMILIES, shifted
from ib_core.laws.family_parameters import check_parameters
from ib_core.laws.input_law import InputLaw
from ib_core.networks.noisy_network import NoisyNetwork

REFERENCE = "reference"


def named_laws(reference: InputLaw, given: Mapping[str, Any], network: NoisyNetwork) -> dict[str, InputLaw]:
    """The reference law and those that are given, by name.

    Args:
        reference: of the inputs.
        given: by name weights (N,), which are made to sum to 1, inputs (N, ...) in the shape of the reference's, or
            (family, size) or (family, size, parameters) of a family of shifts.
        network: for the families that see it.

    Raises:
        ValueError: one is none of these; the message begins with its name.
    """
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"laws must be given by name, as {{'prior': weights}}, got {given!r:.80}")
    if REFERENCE in given:
        raise ValueError(f"laws must not be named {REFERENCE!r}: that is the law of x itself")
    found = {REFERENCE: reference}
    for name, law in given.items():
        try:
            found[name] = _of_family(reference, law, network) if _names_family(law) else _of_array(reference, law)
        except (ValueError, TypeError) as error:
            problem = str(error).split("\n")[0]
            raise ValueError(f"laws[{name!r}]: {problem}") from error
    return found


def same_atoms(law: InputLaw, reference: InputLaw) -> bool:
    """Whether a law differs in nothing but its weights."""
    return np.array_equal(law.atoms, reference.atoms) and np.array_equal(law.labels, reference.labels)


def _names_family(given: Any) -> bool:
    return isinstance(given, str) or (isinstance(given, tuple | list) and bool(given) and isinstance(given[0], str))


def _of_family(reference: InputLaw, given: Any, network: NoisyNetwork) -> InputLaw:
    name, *rest = [given] if isinstance(given, str) else given
    size, parameters = (*rest, {})[:2] if rest else (None, {})
    if len(rest) not in (1, 2) or not isinstance(size, int | float | np.number) or not isinstance(parameters, Mapping):
        raise ValueError(f"a family must be given as (name, size) or (name, size, {{parameter: value}}), got {given!r}")
    try:
        family = FAMILIES.find(name)
    except KeyError as error:
        raise ValueError(f"a family must be {error.args[0]}") from error
    check_parameters(name, family, {key: value for key, value in parameters.items() if key != "metric"})
    sees = {"network": network} if family.sees_network else {}
    return shifted(name, reference, float(size), **{**sees, **parameters}).law


def _of_array(reference: InputLaw, given: Any) -> InputLaw:
    n, shape = len(reference.atoms), reference.shape or reference.atoms.shape[1:]
    array = finite_array(given, "the law", None)
    if array.shape == (n,):
        if (array < 0).any() or not array.sum() > 0:
            least, total = array.min(), array.sum()
            raise ValueError(f"weights must not be negative, nor all zero, got sum {total:.3g} and least {least:.3g}")
        return reference.reweighted(array / array.sum())
    if array.shape == (n, *shape):
        return reference.moved(array.reshape(n, -1))
    raise ValueError(
        f"a law must be weights of shape ({n},), inputs of shape {(n, *shape)}, or (family, size), got {array.shape}"
    )
