"""Draws that choose the form of the lower end and the slopes of controls, and are then thrown away."""

from typing import NamedTuple

import numpy as np

from ib_core.arrays import host
from ib_core.estimators.gaussian_decoder import GaussianDecoder
from ib_core.estimators.layer import Layer, Logs
from ib_core.estimators.rounds import Round
from ib_core.sampling.draws import Chosen
from ib_core.streams import stream

PILOT_ATOMS, PILOT_HEAVY, PILOT_DRAWS = 512, 32, 16  # two draws of many atoms, some more of the heaviest
WORTH = 1e-3  # nats by which a dearer form has to be better


def pilot_draws(layer: Layer, passes: np.ndarray) -> Chosen:
    """Draws around pooled passes: several of each of the heaviest atoms, and two of others at equal steps in space."""
    active = np.flatnonzero(layer.laws.any(1))
    heaviest = np.argsort(-layer.laws[active].max(1), kind="stable")[:PILOT_HEAVY]
    evenly = np.linspace(0, len(active) - 1, min(len(active), PILOT_ATOMS)).astype(int)
    atom, xp = np.concatenate([np.repeat(active[heaviest], PILOT_DRAWS), np.repeat(active[evenly], 2)]), layer.atoms.xp
    rng = stream(layer.seed, "pilot")
    chosen = atom, rng.integers(passes[atom]), rng.standard_normal((len(atom), layer.atoms.d))
    return Chosen(*(xp.asarray(each) for each in chosen))


class Pilot(NamedTuple):
    """What the pilot's points say, on the host: they are few."""

    drawn: Round
    atom: np.ndarray  # (m,)
    logs: Logs
    ratios: dict[str, np.ndarray]  # of each form, (m, K)
    share: np.ndarray  # (m, K) of a point in the mean over atoms

    def lower(self, forms: np.ndarray) -> np.ndarray:
        """(m, K) of the forms (K,) that were chosen."""
        return np.stack([self.ratios[form][:, k] for k, form in enumerate(forms)], axis=1)


def piloted(layer: Layer, drawn: Round, decoders: list[GaussianDecoder]) -> Pilot:
    """What each form says at the pilot's points."""
    logs = layer.logs(drawn.points, drawn.atom)
    ratios = {"split": host(drawn.log_own[:, None] - logs.total)}
    for decoder in decoders:
        ratios[decoder.name] = host(decoder.log_ratios(drawn.points, drawn.atom, layer.there.laws))
    atom = host(drawn.atom)
    count = np.bincount(atom, minlength=layer.atoms.n)[atom]
    share = layer.laws[atom] / count[:, None]
    # Atoms that are drawn at steps stand for their neighbours; the heaviest stand for themselves.
    share[count <= 2] *= max(1.0, layer.laws.any(1).sum() / PILOT_ATOMS)
    return Pilot(drawn, atom, Logs(host(logs.own), host(logs.total), host(logs.label)), ratios, share)


def choose(pilot: Pilot, decoders: list[GaussianDecoder]) -> np.ndarray:
    """(K,) the form of the lower end that is the largest one at the pilot's points."""
    ratios, share = pilot.ratios, pilot.share
    names, gains = ["split"], [np.zeros(share.shape[1])]
    for decoder in decoders:
        excess = ratios[decoder.name] - ratios["split"]
        excess = np.where(np.isfinite(excess), excess, 0.0)
        names.append(decoder.name)
        mean = (share * excess).sum(0) / share.sum(0)
        error = np.sqrt((np.square(share) * np.square(excess - mean)).sum(0)) / share.sum(0)
        # More components take more time, and an excess that may be chance is none.
        gains.append(mean - error - WORTH * (decoder.components - 1))
    return np.array(names, dtype=object)[np.stack(gains).argmax(0)]


def within(values: np.ndarray, atom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of values (m, K) from the means of their atoms (m,), and how many points each point's atom has."""
    count = np.bincount(atom)
    values = np.where(np.isfinite(values), values, 0.0)
    sums = np.zeros((len(count), values.shape[1]))
    np.add.at(sums, atom, values)
    return values - (sums / np.maximum(count, 1)[:, None])[atom], count[atom]
