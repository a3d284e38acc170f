"""The family `law_tilt`."""

import numpy as np

from ib_core.laws.family import Shift, Unreachable, family
from ib_core.laws.input_law import InputLaw, places
from ib_core.laws.mixing import given_law
from ib_core.laws.tilting import tilted


@family("kl")
def law_tilt(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The exponential way P^(1-a) Q^a, normalised, to a given law Q (N,) on the same atoms; a is the parameter."""
    given = given_law(law, weight)
    (owner,) = places(law.atoms)
    p, q = (np.bincount(owner, weights)[owner] for weights in (law.weights, given))
    if (q[p > 0] <= 0).any():
        raise Unreachable("an exponential way needs a law with weight on every atom of the reference: mix it instead")
    with np.errstate(divide="ignore", invalid="ignore"):
        return tilted(law, np.where(p > 0, np.log(q) - np.log(p), 0.0), size)
