"""Stage `worst_case`: for one layer of one network, the laws of largest and of small information in balls around P."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core import worst_case
from ib_core.divergences import kl_divergence, total_variation
from ib_core.finite_channel import information
from ib_core.layer_channel import layer_channel
from ib_core.sample_propagation import layer_information
from tasks.activations import read_signals
from tasks.store import Result
from tasks.tables import read_law, write_table


def column_name(metric: str, size: float) -> str:
    """The name of a maximising law: "tv_0.1"."""
    return f"{metric}_{size!r}"


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write worst_case.parquet (a row for each ball, nats) and laws.parquet (i(x), and the maximising laws).

    A column of laws.parquet is what the shifts `law_mixture`, `law_tilt` and `information_tilt` take.

    A law is sought on the finite channel made of one draw of the layer for every atom, where `gap` certifies it; there
    its information is too large on average, as it was fitted to these draws. What is published as `largest` and `rise`
    is that law's information by sample propagation on draws of its own: below the supremum, and with a standard error.
    """
    torch.set_num_threads(1)
    weights = read_law(inputs["law"].file("law.parquet")).weights
    stored, _ = read_signals(inputs["activations"], settings["layer"])
    device = settings.get("device")
    channel = layer_channel(stored, settings["beta"], seed=settings["seed"], device=device)
    metrics: tuple[Literal["tv"], Literal["kl"]] = ("tv", "kl")
    balls = [(metric, size) for metric in metrics for size in settings[metric]]
    most = [worst_case.largest_information(channel, weights, size, metric, tolerance=9e-7) for metric, size in balls]
    least = [worst_case.smallest_information(channel, weights, size, metric) for metric, size in balls]
    laws = [weights, *(high.weights for high in most), *(low.weights for low in least)]
    measured = layer_information(
        stored,
        settings["beta"],
        weights=np.stack(laws, axis=1),
        target_stderr=settings["target_stderr"],
        max_draws=settings["max_draws"],
        seed=settings["seed"],
        device=device,
    )
    values, errors = measured.plug_in
    channel_reference = information(channel, weights)
    rows = []
    for k, ((metric, size), high) in enumerate(zip(balls, most, strict=True), start=1):
        low = k + len(balls)
        rows.append(
            {
                **{"metric": metric, "size": size, "reference": values[0], "reference_stderr": errors[0]},
                **{"largest": values[k], "largest_stderr": errors[k]},
                **dict(zip(("rise", "rise_stderr"), measured.difference(k, 0), strict=True)),
                **{"smallest": values[low], "smallest_stderr": errors[low]},
                **dict(zip(("fall", "fall_stderr"), measured.difference(0, low), strict=True)),
                **{"channel_reference": channel_reference, "channel_largest": high.value},
                **{"gap": high.upper - high.value, "iterations": high.iterations},
                **{"tv": total_variation(high.weights, weights), "kl": kl_divergence(high.weights, weights)},
            }
        )
    write_table(out / "worst_case.parquet", pd.DataFrame(rows))
    i = np.ascontiguousarray(measured.pointwise[:, 0])
    columns = {column_name(*ball): high.weights for ball, high in zip(balls, most, strict=True)}
    write_table(out / "laws.parquet", pa.table({"atom": np.arange(len(weights)), "pointwise": i, **columns}))
