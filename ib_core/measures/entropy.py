"""Entropy of a noisy layer from n samples: sample propagation beside estimators that do not know the noise."""

import numpy as np

from ib_core.estimators.measure import Measure, SeenLayer
from ib_core.estimators.samples_entropy import kernel_entropy, nearest_neighbour_entropy
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.streams import stream

COUNTS = tuple(2**k for k in range(6, 14))  # samples
REPLICATIONS = 8
TARGET = 5e-3  # nats, standard error of one estimate's draws


def by_samples(layer: SeenLayer) -> dict[str, float | dict[float, float]]:
    """h(T_l) in nats: of all stored passes, and the mean over replications of three estimates from n samples, with
    its standard error; each sample is a pass of an atom drawn from the law."""
    assert layer.passes is not None  # as the measure asks for them
    passes, weights, beta = layer.passes, layer.law.weights, layer.beta
    n, n_passes, d = passes.shape
    every = smoothed_entropy(
        passes.reshape(-1, d), beta, weights=np.repeat(weights / n_passes, n_passes), target_stderr=TARGET
    )
    found: dict[str, float | dict[float, float]] = {"h_all": every.value, "h_all_stderr": every.stderr}
    curves: dict[str, dict[float, list[float]]] = {}
    for count in (count for count in COUNTS if count <= n * n_passes):
        for k in range(REPLICATIONS):
            rng = stream(0, "entropy", count, k)
            signals = passes[rng.choice(n, count, p=weights), rng.integers(n_passes, size=count)]
            noisy = signals + beta * rng.standard_normal((count, d))
            values = {
                "sample_propagation": smoothed_entropy(signals, beta, target_stderr=TARGET, seed=k).value,
                "nearest_neighbours": nearest_neighbour_entropy(noisy),
            }
            if count > d:  # fewer have no covariance to scale a kernel by
                values["kernel"] = kernel_entropy(noisy)
            for name, value in values.items():
                curves.setdefault(name, {}).setdefault(float(count), []).append(value)
    for name, curve in curves.items():
        found[name] = {count: float(np.mean(values)) for count, values in curve.items()}
        found[f"{name}_stderr"] = {
            count: float(np.std(values, ddof=1) / np.sqrt(len(values))) for count, values in curve.items()
        }
    return found


entropy = Measure(
    by_samples,
    "h(T) in nats from n samples: sample propagation, nearest neighbours and kernel densities, beside all passes",
    needs_passes=True,
)
