"""Other people's log-density of an equally weighted Gaussian mixture: each (points, centres, beta) -> (m,)."""

import math
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from scipy.linalg import cholesky
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import gaussian_kde

Density = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _log_constant(centres: np.ndarray, beta: float) -> float:
    return -math.log(len(centres)) - centres.shape[1] * math.log(beta * math.sqrt(2 * math.pi))


def cdist_logsumexp(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """scipy: float64 differences; also the truth that errors are judged by."""
    exponents = cdist(points, centres, "sqeuclidean") / (-2 * beta**2)
    return logsumexp(exponents, axis=1) + _log_constant(centres, beta)


def torch_mixture(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """torch.distributions.MixtureSameFamily over independent normals."""
    law = torch.distributions
    components = law.Independent(law.Normal(torch.from_numpy(centres), beta), 1)
    mixture = law.MixtureSameFamily(law.Categorical(torch.ones(len(centres))), components)
    return mixture.log_prob(torch.from_numpy(points)).numpy()


class _FixedBandwidth(gaussian_kde):
    """gaussian_kde with the covariance beta^2 I instead of one estimated from the centres."""

    def __init__(self, centres: np.ndarray, beta: float) -> None:
        self.beta = beta
        super().__init__(centres.T)

    def _compute_covariance(self) -> None:
        self.covariance = self.beta**2 * np.eye(self.d)
        self.cho_cov = cholesky(self.covariance, lower=True)
        self.log_det = 2 * np.log(np.diag(self.cho_cov * np.sqrt(2 * np.pi))).sum()


def scipy_kde(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """scipy.stats.gaussian_kde.logpdf."""
    return _FixedBandwidth(centres, beta).logpdf(points.T)


def sklearn_kde(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """sklearn KernelDensity at rtol 1e-4."""
    from sklearn.neighbors import KernelDensity

    return KernelDensity(bandwidth=beta, rtol=1e-4).fit(centres).score_samples(points)


def keops(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """KeOps LazyTensor, float32."""
    from pykeops.numpy import LazyTensor

    t, s = (LazyTensor(np.float32(x)) for x in (points[:, None] / beta, centres[None] / beta))
    return (-((t - s) ** 2).sum(-1) / 2).logsumexp(1).ravel() + _log_constant(centres, beta)


def jax_jit(points: np.ndarray, centres: np.ndarray, beta: float) -> np.ndarray:
    """JAX, float32, expanded squares."""
    import jax

    global _jax_kernel
    if _jax_kernel is None:

        @jax.jit
        def _jax_kernel(t, s):  # type: ignore[misc]
            squares = (t**2).sum(1)[:, None] + (s**2).sum(1) - 2 * t @ s.T
            return jax.scipy.special.logsumexp(-squares / 2, axis=1)

    scaled = (np.float32(x / beta) for x in (points, centres))
    return np.asarray(_jax_kernel(*scaled)) + _log_constant(centres, beta)


_jax_kernel: Callable | None = None


def available() -> dict[str, Density]:
    """The peers that are installed."""
    found: dict[str, Density] = {
        "cdist + logsumexp": cdist_logsumexp,
        "scipy gaussian_kde": scipy_kde,
        "torch MixtureSameFamily": torch_mixture,
    }
    optional: dict[str, tuple[str, Density]] = {
        "sklearn": ("sklearn KernelDensity", sklearn_kde),
        "pykeops": ("KeOps", keops),
        "jax": ("JAX", jax_jit),
    }
    return found | {name: density for module, (name, density) in optional.items() if find_spec(module)}
