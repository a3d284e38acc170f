"""A quadratic programme with bounds and given sums, the largest <g, d> - <d, H d> / 2, by an interior point method."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

INWARDS = 0.1  # the share of a point well inside that the start takes
SHORTEN = 0.995  # of the way to the boundary, what a step goes
MAX_STEPS = 40


def best_move(
    gradient: np.ndarray, curvature: np.ndarray, x: np.ndarray, cap: np.ndarray, group: np.ndarray, accuracy: float
) -> np.ndarray:
    """The x + d with 0 <= x + d <= cap whose sum over each group is that of x, and whose objective is largest.

    Args:
        gradient: (A,) of the objective at x.
        curvature: (A, A) H, positive definite but for rounding.
        x: (A,) inside the bounds.
        cap: (A,) positive, infinite where there is none.
        group: (A,) label of the group; its sum lies strictly between 0 and that of its caps, where all have one.
        accuracy: how far the objective may be from the largest.

    Source: predictor and corrector of Mehrotra, SIAM Journal on Optimization 2 (1992).
    """
    sums = (group == np.unique(group)[:, None]).astype(float)  # (groups, A)
    totals, capped = sums @ x, np.isfinite(cap)
    absolute = gradient + curvature @ x
    sizes = np.where(capped, cap, 1.0)
    inside = sizes * (totals / (sums @ sizes) @ sums)
    now = (1 - INWARDS) * x + INWARDS * inside
    reduced = absolute - curvature @ now
    # Multipliers of the two bounds; products with the distances to them start alike, near the mean gap of an atom.
    level = max(INWARDS * float(now @ (reduced.max() - reduced)) / len(x), accuracy / len(x))
    room = np.where(capped, cap - now, 1.0)
    low, high, prices = level / now, capped * level / room, np.zeros(len(sums))
    bounds = len(x) + int(capped.sum())
    for _ in range(MAX_STEPS):
        residual = absolute - curvature @ now + low - high - prices @ sums
        level = float(now @ low + room @ high) / bounds
        if level * bounds <= accuracy and np.abs(residual).max() <= 1e-9:
            break
        matrix = curvature.copy()
        matrix[np.diag_indices(len(x))] += low / now + high / room
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        spread = cho_solve(factor, sums.T, check_finite=False)
        to_low, to_high = -now * low, -room * high
        for predicts in (True, False):
            right = residual + to_low / now - to_high / room
            step = cho_solve(factor, right, check_finite=False)
            price_step = np.linalg.solve(sums @ spread, sums @ (now + step) - totals)
            step -= spread @ price_step
            low_step, high_step = (to_low - low * step) / now, (to_high + high * step) / room
            length = min(
                1.0,
                _reach(now, step),
                _reach(room, -step * capped),
                _reach(low, low_step),
                _reach(high, high_step),
            )
            if predicts:
                ahead = (now + length * step) @ (low + length * low_step)
                ahead += (room - length * capped * step) @ (high + length * high_step)
                centre = level * (float(ahead) / bounds / level) ** 3
                to_low = centre - now * low - step * low_step
                to_high = capped * (centre - room * high + step * high_step)
        length *= SHORTEN
        now, low, high = now + length * step, low + length * low_step, high + length * high_step
        # Of its own, since cap - x may round to 0.
        prices, room = prices + length * price_step, room - length * capped * step
    return np.minimum(now, cap)


def _reach(value: np.ndarray, change: np.ndarray) -> float:
    """How far along the change every value stays positive."""
    falling = change < 0
    return float((value[falling] / -change[falling]).min(initial=np.inf))
