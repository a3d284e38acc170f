"""Stage `worst_case`: for one layer of one network, the laws of largest and of small information in balls around P."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core.channels.finite import information
from ib_core.estimators.layer_channel import layer_channel
from ib_core.estimators.sample_propagation import layer_information
from ib_core.laws.divergences import kl_divergence, total_variation
from ib_core.networks.passes import noisy_passes
from ib_core.worst_case import search as worst_case
from tasks.activations import network_of, read_signals
from tasks.information import SHIFTED, centred, effort, own_passes
from tasks.store import Result
from tasks.tables import read_law, write_table


def column_name(metric: str, size: float) -> str:
    """The name of a maximising law: "tv_0.1"."""
    return f"{metric}_{size!r}"


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write worst_case.parquet (a row for each ball, nats) and laws.parquet (i(x), and the maximising laws).

    A column of laws.parquet is what the shifts `law_mixture`, `law_tilt` and `information_tilt` take.

    A law is sought on the finite channel made of one draw around a stored pass of every atom, where `gap` certifies it;
    there its information is too large, as it was fitted to these passes and draws. What is published as `largest`,
    `rise` and so on are the brackets of that law's information from other passes of the network, pooled and own ones:
    the truth of the law lies in them, and the supremum over the ball is above.
    """
    torch.set_num_threads(1)
    law = read_law(inputs["law"].file("law.parquet"))
    weights, layer, seed, device = law.weights, settings["layer"], settings["seed"], settings.get("device")
    stored = read_signals(inputs["activations"], layer)
    channel = layer_channel(stored, settings["beta"], seed=seed, device=device)
    metrics: tuple[Literal["tv"], Literal["kl"]] = ("tv", "kl")
    balls = [(metric, size) for metric in metrics for size in settings[metric]]
    most = [worst_case.largest_information(channel, weights, size, metric, tolerance=9e-7) for metric, size in balls]
    least = [worst_case.smallest_information(channel, weights, size, metric) for metric, size in balls]
    laws = [weights, *(high.weights for high in most), *(low.weights for low in least)]
    deterministic, pooled, own = layer == 1, stored, None
    if not deterministic:
        network, network_seed = network_of(settings, inputs["network"])
        pooled = noisy_passes(network, law.atoms, stored.shape[1], network_seed, "measured").signals[layer - 1]
        own = own_passes(settings, inputs["network"], law.atoms, "measured, own")
    measured = layer_information(
        pooled,
        settings["beta"],
        own=own,
        deterministic=deterministic,
        weights=np.stack(laws, axis=1),
        confidence=settings["confidence"],
        **effort(settings, [1.0] + [SHIFTED] * (len(laws) - 1)),
        seed=seed,
        device=device,
    )
    channel_reference = information(channel, weights)
    rows = []
    for k, ((metric, size), high) in enumerate(zip(balls, most, strict=True), start=1):
        low = k + len(balls)
        brackets = {
            "reference": (measured.bracket[0][0], measured.bracket[1][0]),
            "largest": (measured.bracket[0][k], measured.bracket[1][k]),
            "rise": measured.change_bracket(k, 0),
            "smallest": (measured.bracket[0][low], measured.bracket[1][low]),
            "fall": measured.change_bracket(0, low),
        }
        rows.append(
            {
                **{"metric": metric, "size": size},
                **{
                    name + end: number
                    for name, ends in brackets.items()
                    for end, number in zip(("", "_stderr"), centred(*map(float, ends)), strict=True)
                },
                **{"channel_reference": channel_reference, "channel_largest": high.value},
                **{"gap": high.upper - high.value, "iterations": high.iterations},
                **{"tv": total_variation(high.weights, weights), "kl": kl_divergence(high.weights, weights)},
                "reached": bool(measured.reached[[0, k, low]].all()),
            }
        )
    write_table(out / "worst_case.parquet", pd.DataFrame(rows))
    i = np.ascontiguousarray(measured.pointwise[:, 0])
    columns = {column_name(*ball): high.weights for ball, high in zip(balls, most, strict=True)}
    write_table(out / "laws.parquet", pa.table({"atom": np.arange(len(weights)), "pointwise": i, **columns}))
