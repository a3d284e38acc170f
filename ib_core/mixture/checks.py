"""What the estimators accept: finite arrays of a given shape, and laws over atoms."""

import math
from typing import Any

import numpy as np
import torch


def positive(number: float, name: str) -> float:
    """The number, if it is positive and finite."""
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} must be positive and finite, got {number}")
    return float(number)


def finite_array(values: Any, name: str, shape: str) -> np.ndarray:
    """The values as float64, without rounding, if they have the shape (written as "(n, d)") and are finite."""
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != shape.count(",") + 1 or 0 in array.shape:
        raise ValueError(f"{name} must have shape {shape} with no side empty, got {array.shape}")
    if not np.isfinite(array).all():
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise ValueError(f"{name} must be finite: {nan} of {array.size} are NaN and {infinite} are infinite")
    return array


def law_columns(weights: Any, n: int) -> np.ndarray:
    """Weights as (n, K) columns that each sum to 1; None stands for one uniform column."""
    if weights is None:
        return np.full((n, 1), 1 / n)
    columns = finite_array(weights, "weights", "(n, K)" if np.ndim(weights) == 2 else "(n)")
    columns = columns if columns.ndim == 2 else columns[:, None]
    if len(columns) != n:
        raise ValueError(f"weights must have one row for each of the {n} atoms, got {len(columns)}")
    if (columns < 0).any():
        raise ValueError(f"weights must not be negative: {int((columns < 0).sum())} are, the least is {columns.min()}")
    worst = np.abs(columns.sum(0) - 1).max()
    if worst > 1e-9:
        raise ValueError(f"every column of weights must sum to 1 within 1e-9, one is {worst:.3g} off")
    return columns
