"""Stage `worst_case`: for one layer of one network, the laws of largest and of small information in balls around P."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core.channels.finite import information
from ib_core.estimate import centred
from ib_core.estimators.cost import passing_seconds
from ib_core.estimators.layer_channel import layer_channel
from ib_core.estimators.network_layer import SHIFTED
from ib_core.estimators.sample_propagation import LayerInformation, layer_information
from ib_core.laws.divergences import kl_divergence, total_variation
from ib_core.laws.input_law import InputLaw
from ib_core.networks.passes import noisy_passes
from ib_core.worst_case import search as worst_case
from tasks.engine.device import device_here
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, write_table
from tasks.sweep.activations import Activations, signals_of
from tasks.sweep.laws import law_of
from tasks.sweep.networks import checkpoint, level_of
from tasks.sweep.sampling import Sampling


@dataclass(frozen=True, eq=False)
class WorstCase(Recipe):
    """The extremes of the information of one layer over balls of laws around the reference.

    Attributes:
        activations: stored passes under the reference law.
        layer: which, from 1.
        tv: radii of the balls in total variation.
        kl: radii of the balls in KL divergence, nats.
        sampling: how the laws that are found are measured.
    """

    stage: ClassVar[str] = "worst_case"
    activations: Activations
    layer: int
    tv: tuple[float, ...]
    kl: tuple[float, ...]
    sampling: Sampling

    @property
    def label(self) -> str:
        return f"{self.activations.label}/L{self.layer}"

    @property
    def balls(self) -> list[tuple[Literal["tv", "kl"], float]]:
        """Metric and radius of each."""
        return [*(("tv", size) for size in self.tv), *(("kl", size) for size in self.kl)]  # type: ignore[list-item]

    @property
    def law_file(self) -> str:
        """What the file of its maximising laws is called among the results: "b0.1-s0-e0000800-L3.parquet"."""
        network = self.activations.network.label.replace("/", "-")
        return f"{network}-e{self.activations.epoch:07d}-L{self.layer}.parquet"

    @property
    def on_card(self) -> bool:
        return self.sampling.device is not None

    def cost(self) -> Cost:
        n, hidden = self.activations.law.n_atoms, self.activations.network.hidden[: self.layer]
        balls = 3.0 + 1.5 * len(self.tv) + 0.5 * len(self.kl)
        seconds = balls * min(1.0, 0.05 + n / 4096)
        if self.layer > 1:
            products = self.activations.network.design.products[: self.layer]
            seconds += passing_seconds(n * self.sampling.own_passes, hidden, products)
        return Cost(seconds, 4e4 * balls)

    def build(self, out: Path) -> None:
        """Write worst_case.parquet (a row for each ball, nats) and laws.parquet (i(x), and the maximising laws).

        A column of laws.parquet is what the shifts `law_mixture`, `law_tilt` and `information_tilt` take.

        A law is sought on the finite channel made of one draw around a stored pass of every atom, where `gap` certifies
        it; there its information is too large, as it was fitted to these passes and draws. What is published as
        `largest`, `rise` and so on are the brackets of that law's information from other passes of the network, pooled
        and own ones: the truth of the law lies in them, and the supremum over the ball is above.
        """
        torch.set_num_threads(1)
        law, sampling = law_of(self.activations.law), self.sampling
        stored, weights = signals_of(self.activations, self.layer), law.weights
        beta = level_of(self.activations.network, self.layer)
        channel = layer_channel(stored, beta, seed=sampling.seed, device=device_here(sampling.device))
        most = [
            worst_case.largest_information(channel, weights, size, metric, tolerance=9e-7)
            for metric, size in self.balls
        ]
        least = [worst_case.smallest_information(channel, weights, size, metric) for metric, size in self.balls]
        extremal = [*(high.weights for high in most), *(low.weights for low in least)]
        measured = self._measured(law, stored, [weights, *extremal])
        rows = []
        for k, ((metric, size), high) in enumerate(zip(self.balls, most, strict=True), start=1):
            found = {
                **_brackets(measured, k, k + len(most)),
                **{"channel_reference": information(channel, weights), "channel_largest": high.value},
                **{"gap": high.upper - high.value, "iterations": high.iterations},
                **{"tv": total_variation(high.weights, weights), "kl": kl_divergence(high.weights, weights)},
                "reached": bool(measured.reached[[0, k, k + len(most)]].all()),
            }
            rows.append({"metric": metric, "size": size} | found)
        write_table(out / "worst_case.parquet", pd.DataFrame(rows))
        i = np.ascontiguousarray(measured.pointwise[:, 0])
        columns = {column_name(*ball): high.weights for ball, high in zip(self.balls, most, strict=True)}
        write_table(out / "laws.parquet", pa.table({"atom": np.arange(len(weights)), "pointwise": i, **columns}))

    def _measured(self, law: InputLaw, stored: np.ndarray, laws: list[np.ndarray]) -> LayerInformation:
        """The information under all these laws, the reference first, from passes that no law was fitted to."""
        network, pooled = self.activations.network, stored
        if self.layer > 1:
            trained = checkpoint(network, self.activations.epoch)
            passes = noisy_passes(trained, law.atoms, stored.shape[1], network.seed, "measured")
            pooled = passes.signals[self.layer - 1]
        return layer_information(
            pooled,
            level_of(network, self.layer),
            own=self.sampling.own(self.activations, self.layer, law.atoms, "measured, own"),
            deterministic=self.layer == 1,
            weights=np.stack(laws, axis=1),
            **self.sampling.options([1.0] + [SHIFTED] * (len(laws) - 1)),
        )


def _brackets(measured: LayerInformation, high: int, low: int) -> dict[str, float]:
    """The middles of the brackets of the reference and of a ball's two laws, and of the changes, with their errors."""
    (below, above), brackets = measured.bracket, {}
    for name, ends in {
        "reference": (below[0], above[0]),
        "largest": (below[high], above[high]),
        "rise": measured.change_bracket(high, 0),
        "smallest": (below[low], above[low]),
        "fall": measured.change_bracket(0, low),
    }.items():
        brackets[name], brackets[f"{name}_stderr"] = centred(*map(float, ends))
    return brackets


def column_name(metric: str, size: float) -> str:
    """The name of a maximising law: "tv_0.1"."""
    return f"{metric}_{size!r}"


def worst_case_rows(search: WorstCase) -> pd.DataFrame:
    """The stored extremes over every ball."""
    return read_table(search.file("worst_case.parquet")).to_pandas()


def laws_file(search: WorstCase) -> Path:
    """The stored file of its maximising laws."""
    return search.file("laws.parquet")
