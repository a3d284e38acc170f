"""Decoders q(x|t) made of a few Gaussians for each atom, which give a lower bound on I(X;T)."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ib_core.arrays import host, namespace, tile
from ib_core.estimators.quadratic_logs import quadratic_coefficients, quadratic_features

FULL_WIDTH = 16  # widest layer whose covariances are kept whole; wider ones keep variances along common axes
COMPONENTS = (1, 2, 4, 8, 16)  # Gaussians of an atom that are tried where covariances are whole
FEW = 4  # of them that any passes will do for
FLOAT32_REACH = 1e4  # squared norm up to which a product in float32 costs a decoder less than a thousandth of a nat
LEAST_BITS = -100.0
DEVICE_NUMBERS = 2**26  # densities of one tile on a device
ROWS = 64  # points of one tile: its densities at 4096 atoms are 2 MiB
SUPPORT = 0.03  # share of Gaussians in a density of passes, see `GaussianDecoder.supporting`
LAMBDA = 3e-4  # share of the decoder that ignores t: it costs 3e-4 nats and holds ln q(x|t)/w above -8.2


class Moments:
    """Means and covariances of the passes of every atom, gathered a block of atoms at a time.

    The passes of an atom are also cut into 2 and 4 equal parts across their longest axis, and on into 8 and 16 where
    that leaves each part enough passes for a covariance, each part with moments of its own: saturating activations bend
    them. Wide layers have one part, with variances along the axes of the first block's mean covariance.

    Args:
        n: atoms.
        d: width of the layer.
        passes: of an atom.
        xp: where passes and moments are, see `ib_core.arrays`.
        most: parts that they are cut into, at most.
    """

    def __init__(self, n: int, d: int, passes: int, xp: Any = np, most: int = COMPONENTS[-1]) -> None:
        self.full, self.xp = d <= FULL_WIDTH, xp
        self.axes: Any = None
        self.passes = np.ones(n)
        enough = 8 * (d + 2)
        whole = [count for count in COMPONENTS if count <= FEW or count * enough <= passes]
        counts = [count for count in whole if count <= most] if self.full else COMPONENTS[:1]
        self.means = {count: xp.empty((count, n, d)) for count in counts}
        self.spreads = {count: xp.empty((count, n, d, d) if self.full else (count, n, d)) for count in counts}

    def add(self, atoms: np.ndarray, signals: Any) -> None:
        """Signals (b, passes, d) of the atoms with these indices (b,), in the place of what they had before."""
        self.passes[atoms] = signals.shape[1]
        xp = self.xp
        at = xp.asarray(atoms)
        if not self.full:
            means = signals.mean(1)
            offsets = signals - means[:, None]
            if self.axes is None:
                flat = offsets.reshape(-1, offsets.shape[2])
                self.axes = xp.linalg.eigh(flat.T @ flat)[1]
            self.means[1][0, at] = means @ self.axes
            self.spreads[1][0, at] = xp.square(offsets @ self.axes).mean(1)
            return
        parts = [signals]
        for count in self.means:
            for k, part in enumerate(parts):
                means = part.mean(1)
                offsets = part - means[:, None]
                self.means[count][k, at] = means
                self.spreads[count][k, at] = offsets.swapaxes(1, 2) @ offsets / part.shape[1]
            if count < max(self.means):
                parts = [half for part in parts for half in _halves(part)]


def _halves(signals: Any) -> list[Any]:
    """The two halves of each atom's signals (b, passes, d) along their longest axis; one in the middle counts below."""
    if signals.shape[1] == 1:
        return [signals, signals]
    xp, half = namespace(signals), signals.shape[1] // 2
    offsets = signals - signals.mean(1, keepdims=True)
    axis = xp.linalg.eigh(offsets.swapaxes(1, 2) @ offsets)[1][:, :, -1:]
    order = xp.argpartition((offsets @ axis)[:, :, 0], signals.shape[1] - half, axis=1)
    ordered = signals[xp.arange(len(signals))[:, None], order]
    return [ordered[:, :-half], ordered[:, -half:]]


class GaussianDecoder(NamedTuple):
    """log2 q_j(t), up to a constant, as a product of features of t with coefficients of each Gaussian of atom j."""

    axes: Any  # (d, d), where the passes were; None where covariances are whole
    components: int
    coefficients: torch.Tensor  # (features, components N)

    @property
    def name(self) -> str:
        """ "gaussian", or with the number of components where there are several."""
        return "gaussian" if self.components == 1 else f"gaussian_{self.components}"

    def features(self, points: Any) -> Tensor:
        """(m, features): products of coordinates (squares alone in wide layers), coordinates, and 1."""
        if self.axes is None:
            found = quadratic_features(points)
        else:
            xp, turned = namespace(points), points @ self.axes
            found = xp.concatenate([xp.square(turned), turned, xp.full((len(turned), 1), 1.0)], axis=1)
        return torch.as_tensor(found, device=self.coefficients.device)

    def supporting(self, points: Any, atom: Any, log_own: Any) -> Any:
        """ln( (1 - lam) A_i(t) + lam q_i(t) ) of each point for the passes of its own atom i.

        Where few of many passes lie, the next one may be many noises away, and ln A_i(t) is as low as its distance
        squared. Any density that is independent of t may stand for A_i in a lower end: this one has its value where
        passes lie, less .03 nats at most, and beyond them that of Gaussians.

        Args:
            points: (m, d) in units of beta.
            atom: (m,).
            log_own: (m,) of ln A_i(t), less the constant of the noise.

        Returns:
            (m,).
        """
        coefficients = self.coefficients.reshape(len(self.coefficients), self.components, -1)
        own = coefficients[:, :, torch.as_tensor(atom, device=coefficients.device)]
        bits = torch.einsum("mf,fcm->mc", self.features(points), own)
        logs, xp = torch.logsumexp(bits * math.log(2), 1), namespace(points)
        logs = logs if isinstance(points, Tensor) else host(logs)
        return xp.logaddexp(math.log1p(-SUPPORT) + log_own, math.log(SUPPORT) + logs)

    def log_ratios(self, points: Any, atom: Any, weights: Any) -> Any:
        """ln( (1 - lam) q_i(t) / sum_j w_j q_j(t) + lam ) of each point for its own atom i, under every law.

        Its mean over t from the true channel is at most I(X;T), whatever the q_j are: w_i times the bracket is a
        conditional law over atoms, for the numbers as they are computed. Rounding makes the bound worse, not wrong.

        Args:
            points: (m, d) in units of beta, independent of the passes that the decoder was made from.
            atom: (m,).
            weights: (N, K).

        Returns:
            (m, K).

        Source: Barber and Agakov, NIPS 2003.
        """
        coefficients, xp = self.coefficients, namespace(points)
        laws = torch.as_tensor(weights, device=coefficients.device).float()
        own_atom = torch.as_tensor(atom, device=coefficients.device)
        features, ratios = self.features(points), xp.empty((len(points), weights.shape[1]))
        if xp.square(points).sum(1).max() <= FLOAT32_REACH:
            features, coefficients = features.float(), coefficients.float()
        rows = ROWS if coefficients.device.type == "cpu" else max(ROWS, tile(DEVICE_NUMBERS) // coefficients.shape[1])
        for first in range(0, len(points), rows):
            part = slice(first, first + rows)
            bits = features[part] @ coefficients
            # float32 is enough for any decoder; below 2^-100 of the largest, powers are slow and count for nothing.
            powers = (bits - bits.amax(1, keepdim=True)).float().clamp_(min=LEAST_BITS).exp2_()
            if self.components > 1:
                powers = powers.reshape(len(powers), self.components, -1).sum(1)
            own = powers[torch.arange(len(powers), device=powers.device), own_atom[part]]
            found = own[:, None].double() / (powers @ laws).double()
            share = found if isinstance(points, Tensor) else host(found)
            ratios[part] = xp.log((1 - LAMBDA) * xp.where(xp.isfinite(share), share, 0.0) + LAMBDA)
        return ratios


def gaussian_decoders(moments: Moments) -> list[GaussianDecoder]:
    """Decoders of Gaussians with the moments of an atom's passes, or of parts of them, plus noise, in units of beta.

    A covariance from few passes is drawn towards the mean one, which counts as d + 2 passes. The moments are used up,
    as those of many atoms are large.
    """
    return [_decoder(moments, count) for count in list(moments.means)]


def _decoder(moments: Moments, count: int) -> GaussianDecoder:
    xp, means, spreads = moments.xp, moments.means.pop(count), moments.spreads.pop(count)
    d, passes = means.shape[2], moments.passes / count
    means, spreads = means.reshape(-1, d), spreads.reshape(-1, *spreads.shape[2:])
    prior = d + 2.0
    share = xp.asarray(np.tile(passes / (passes + prior), count)).reshape(-1, *[1] * (spreads.ndim - 1))
    spreads = share * spreads + (1 - share) * spreads.mean(0)
    if moments.full:
        coefficients = quadratic_coefficients(means, spreads + xp.eye(d))
    else:
        precision = 1 / (spreads + 1)
        start = xp.log(precision).sum(1) / 2 - xp.einsum("ni,ni->n", precision * means, means) / 2
        parts = [precision / -2, precision * means, start[:, None]]
        coefficients = xp.concatenate(parts, axis=1).T * math.log2(math.e)
    coefficients[-1] -= math.log2(count)
    return GaussianDecoder(moments.axes, count, torch.as_tensor(coefficients).contiguous())
