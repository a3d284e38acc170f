"""A quadratic programme with bounds and given sums, the largest <g, d> - <d, H d> / 2, by an interior point method."""

import numpy as np

RESIDUAL = 1e-9  # of the conditions of Karush, Kuhn and Tucker


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

    Returns:
        (A,); x itself where the solver finds no point that meets the sums.

    Source: Schwan, Jiang, Kuhn and Jones, PIQP: a proximal interior-point quadratic programming solver, CDC 2023.
    """
    import piqp

    sums = (group == np.unique(group)[:, None]).astype(float)  # (groups, A)
    totals = sums @ x
    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs, settings.eps_rel = RESIDUAL, 0.0
    settings.check_duality_gap, settings.eps_duality_gap_abs, settings.eps_duality_gap_rel = True, accuracy, 0.0
    solver.setup(curvature, -(gradient + curvature @ x), sums, totals, None, None, None, np.zeros(len(x)), cap)
    solver.solve()
    found = np.clip(solver.result.x, 0.0, cap)
    met = np.isfinite(found).all() and np.abs(sums @ found - totals).max() <= RESIDUAL * totals.max()
    return found if met else x
