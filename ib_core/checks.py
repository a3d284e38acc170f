"""What the estimators accept: finite arrays of a given shape, and laws over atoms."""

import math
from typing import Any

import numpy as np
import torch

SUM_ERROR = 1e-9  # how far the weights of a law may be from sum 1


def positive(number: Any, name: str) -> float:
    """The number, if it is positive and finite."""
    try:
        value = math.nan if isinstance(number, str | bytes) else float(number)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive and finite, got {number!r:.60}")
    return value


def finite_array(values: Any, name: str, shape: str | None) -> np.ndarray:
    """The values as float64, without rounding, if they have the shape ("(n, d)"; None for any) and are finite.

    Arrays, tensors of any real type and place, and nested lists of either are taken; what float64 would round (large
    integers, long doubles), complex numbers, text and objects are refused.
    """
    array = _exact(values, name)
    if 0 in array.shape or (shape is not None and array.ndim != shape.count(",") + 1):
        raise ValueError(f"{name} must have shape {shape or 'of any kind'} with no side empty, got {array.shape}")
    if not np.isfinite(array).all():
        nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise ValueError(f"{name} must be finite: {nan} of {array.size} are NaN and {infinite} are infinite")
    return array


def finite_there(values: Any, name: str, shape: str, xp: Any) -> Any:
    """The same where `xp` has its arrays: tensors that are there are looked at there."""
    if xp is np:
        return finite_array(values, name, shape)
    tensor = isinstance(values, torch.Tensor) and values.dtype.is_floating_point
    array = type(values) is np.ndarray and values.dtype in (np.float32, np.float64)
    if (tensor or array) and values.ndim == shape.count(",") + 1 and 0 not in values.shape:
        there = xp.asarray(values)
        if bool(xp.isfinite(there).all()):
            return there
    return xp.asarray(finite_array(values, name, shape))  # which says what is wrong


def law_columns(weights: Any, n: int) -> np.ndarray:
    """Weights as (n, K) columns that each sum to 1; None stands for one uniform column."""
    if weights is None:
        return np.full((n, 1), 1 / n)
    columns = _exact(weights, "weights")
    columns = finite_array(columns, "weights", "(n, K)" if columns.ndim == 2 else "(n)")
    columns = columns if columns.ndim == 2 else columns[:, None]
    if len(columns) != n:
        raise ValueError(f"weights must have one row for each of the {n} atoms, got {len(columns)}")
    if (columns < 0).any():
        raise ValueError(f"weights must not be negative: {int((columns < 0).sum())} are, the least is {columns.min()}")
    worst = np.abs(columns.sum(0) - 1).max()
    if worst > SUM_ERROR:
        raise ValueError(f"every column of weights must sum to 1 within 1e-9, one is {worst:.3g} off")
    return columns


def law_column(weights: Any, n: int) -> np.ndarray:
    """One law of n atoms as (n, 1); None is the uniform one."""
    return law_columns(None if weights is None else finite_array(weights, "weights", "(N)"), n)


def one_law(weights: Any, name: str, shape: str) -> np.ndarray:
    """Probabilities of any shape as float64: non-negative, all together of sum 1."""
    law = finite_array(weights, name, shape)
    if law.min() < 0 or abs(law.sum() - 1) > SUM_ERROR:
        raise ValueError(
            f"{name} must be non-negative with sum 1, got sum {float(law.sum())!r} and least {float(law.min())!r}"
        )
    return law


def integer_array(values: Any, name: str, shape: str) -> np.ndarray:
    """The values as int64, if they are integers of that shape; floats that are whole numbers are."""
    array = finite_array(values, name, shape)
    if (array != np.round(array)).any():
        raise ValueError(f"{name} must be integers, got {float(array[array != np.round(array)][0])!r}")
    return array.astype(np.int64)


def label_indices(labels: Any, n: int) -> np.ndarray:
    """Labels as 0..C-1, all 0 without labels."""
    if labels is None:
        return np.zeros(n, dtype=np.int64)
    labels = np.asarray(labels.detach().cpu() if isinstance(labels, torch.Tensor) else labels)
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), got {labels.shape}")
    if labels.dtype.kind not in "biuSU":
        labels = integer_array(labels, "labels", "(N)")
    return np.unique(labels, return_inverse=True)[1]


def _exact(values: Any, name: str) -> np.ndarray:
    """As float64 bit for bit, or refused in one line."""
    wanted = f"{name} must be real numbers that float64 holds exactly"
    try:
        array = array_of(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        problem = str(error).split("\n")[0]
        raise ValueError(f"{wanted}, got {type(values).__name__}: {problem:.120}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{wanted}, got an array of {array.dtype}")
    if np.ma.is_masked(array):
        raise ValueError(f"{wanted}, got an array with {int(np.ma.count_masked(array))} masked entries")
    array = np.ma.getdata(array)
    if array.dtype.itemsize < 8 or array.dtype == np.float64:
        return array.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(np.float64)
        # Integers past 2^53, and more digits than float64 has; 2^63 itself would not come back as an integer.
        whole = array.dtype.kind == "f" or not (np.abs(rounded) > 2.0**53).any()
        back = np.array_equal(rounded.astype(array.dtype), array, equal_nan=array.dtype.kind == "f")
    if not (whole and back):
        raise ValueError(f"{wanted}, got {array.dtype} numbers with more digits")
    return rounded


def array_of(values: Any) -> np.ndarray:
    """A numpy array of what was given, tensors inside lists included."""
    if isinstance(values, torch.Tensor):
        dense = (values.to_dense() if values.layout != torch.strided else values).detach().cpu()
        small = dense.dtype.is_floating_point and dense.dtype.itemsize < 4  # numpy has no bfloat16, nor float8
        return (dense.double() if small else dense.resolve_conj().resolve_neg()).numpy()
    if isinstance(values, list | tuple):
        return np.asarray([array_of(value) if _holds_tensors(value) else value for value in values])
    return np.asanyarray(values) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_tensors(part) for part in value)
    return isinstance(value, torch.Tensor)
