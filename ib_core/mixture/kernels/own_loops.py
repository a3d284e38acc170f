"""The compiled loop that holds points against the many passes of their own atom."""

from typing import Any

import numpy as np
from numba import njit

from ib_core.mixture.kernels.numba_loops import ELEMENTWISE, NEVER, _entry, exp2

HALF_LOG2_E = np.float64(0.5 / np.log(2.0))


@njit(fastmath=True)
def _least(values: Any) -> Any:
    smallest = values[0]
    for k in range(len(values)):
        smallest = min(smallest, values[k])
    return smallest


@njit(fastmath=True)
def _total(values: Any) -> Any:
    total = np.float32(0.0)
    for k in range(len(values)):
        total += values[k]
    return total


def _own_logs(points, row, centres, without, out):  # type: ignore[no-untyped-def]
    # out (m,) = ln sum_k exp(-|t - s_k|^2 / 2) for points (m, d) and centres (b, d, passes) of the atoms `row` (m,),
    # the pass `without` (m,) of each left out, if that is not negative.
    squares, powers = np.empty(centres.shape[2]), np.empty(centres.shape[2], np.float32)
    for i in range(points.shape[0]):
        own = centres[row[i]]
        squares[:] = 0.0
        for q in range(points.shape[1]):
            line, coordinate = own[q], points[i, q]
            for k in range(len(squares)):
                difference = coordinate - line[k]
                squares[k] += difference * difference
        if without[i] >= 0:
            squares[without[i]] = NEVER
        smallest = _least(squares)
        for k in range(len(squares)):
            powers[k] = exp2(np.float32((smallest - squares[k]) * HALF_LOG2_E))
        out[i] = np.log(np.float64(_total(powers))) - smallest / 2


own_logs = _entry(_own_logs, "own logs", fastmath=ELEMENTWISE)
