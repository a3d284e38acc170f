"""Stage `bracket`: the plug-in and both ends of the bracket on noisy chains of neurons whose information is known."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from ib_core.channels.closed_forms import neuron_chain_bias, neuron_chain_information
from ib_core.estimators.plug_in import held_out_information, plug_in_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.streams import stream
from tasks.engine.recipe import Cost, Recipe, draws_to_reach
from tasks.store.parquet import write_table

SECONDS_PER_NEAR_PAIR = 0.6e-9  # one (point, centre) pair of the mixture kernel where no centre is far away
SECONDS_PER_DRAW = 0.3e-6
SECONDS_PER_ENTROPY = 1e-3
SECONDS_PER_LAYER = 20e-3  # what a call of `layer_information` takes at least


@dataclass(frozen=True, eq=False)
class Bracket(Recipe):
    """The bracket of I(X; T_L) on chains of single neurons, in replications.

    X lies in R^d with independent coordinates, each uniform on `values` and sent through a chain of its own, so that
    the truth is d times that of one chain.

    Attributes:
        values: of each coordinate of X.
        slopes, offsets: weight and bias of each neuron, first layer first.
        beta: standard deviation of the noise.
        d: width.
        passes: stored passes of each input.
        fresh_passes: further ones, for the lower ends.
        sampled: inputs drawn from P_X anew in each replication; None for all of them.
        replications: independent networks of passes.
        target_stderr: standard error (nats) at which drawing stops.
        max_draws: most draws for each end and each entropy.
        seed: key of all passes and draws.
    """

    stage: ClassVar[str] = "bracket"
    values: tuple[float, ...]
    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    beta: float
    d: int
    passes: int
    fresh_passes: int
    sampled: int | None
    replications: int
    target_stderr: float
    max_draws: int
    seed: int

    @property
    def label(self) -> str:
        return f"chain/b{self.beta!r}/d{self.d}/" + (f"sampled{self.sampled}" if self.sampled else f"x{self.passes}")

    def cost(self) -> Cost:
        atoms = self.sampled or len(self.values) ** self.d
        draws = 0.0 if self.d <= 3 else 0.5 * self.d * draws_to_reach(self.target_stderr, 2 * self.max_draws / self.d)
        points = draws + (0 if self.sampled else atoms * (2 * self.fresh_passes + self.passes))
        seconds = self.replications * (
            (0.0 if self.sampled else SECONDS_PER_LAYER)
            + (atoms + 1) * SECONDS_PER_ENTROPY
            + points * (SECONDS_PER_DRAW + atoms * self.passes * SECONDS_PER_NEAR_PAIR)
        )
        return Cost(seconds, 3e3)

    def build(self, out: Path) -> None:
        """Write replications.parquet: estimates from stored passes that are new in each row, and truths, nats.

        `plug_in` is I_SP of the stored passes, whose standard error counts draws alone, `held_out` the plain decoder of
        them at fresh passes; `upper`, `lower` and the bracket `low` to `high` are what `layer_information` publishes
        from the same passes. `bias` is what theory says of the plug-in's, times n_x, for many passes. With sampled
        inputs, as in the theorems on the risk, only the plug-in is made.
        """
        torch.set_num_threads(1)
        d, beta, values = self.d, self.beta, np.asarray(self.values, dtype=np.float64)
        every_input = np.array(list(product(values, repeat=d)))
        limits: dict[str, Any] = {"target_stderr": self.target_stderr, "max_draws": self.max_draws}
        rows = []
        for k in range(self.replications):
            generator = stream(self.seed, "bracket", d, repr(beta), self.passes, self.sampled or "all", k)
            atoms = generator.choice(values, size=(self.sampled, d)) if self.sampled else every_input
            passes = self._signals(atoms, self.passes, generator)
            seed = int(generator.integers(2**31))
            plug_in = plug_in_information(passes, beta, seed=seed, **limits)
            row = {"replication": k, "plug_in": plug_in.value, "plug_in_stderr": plug_in.stderr}
            if not self.sampled:
                fresh = self._signals(atoms, self.fresh_passes, generator)
                found = layer_information(passes, beta, fresh=fresh, seed=seed, **limits)
                row |= {"held_out": held_out_information(passes, fresh, beta, seed=seed).value}
                row |= {"upper": found.upper.value, "lower": found.lower.value}  # type: ignore[union-attr]
                row |= dict(zip(("low", "high"), found.bracket, strict=True))
            rows.append(row)
        chain = self.slopes, self.offsets, beta
        truth = d * neuron_chain_information(values, *chain)[-1]
        table = pd.DataFrame(rows).assign(truth=truth, bias=neuron_chain_bias(values, *chain, d))
        write_table(out / "replications.parquet", table)

    def _signals(self, atoms: np.ndarray, passes: int, generator: np.random.Generator) -> np.ndarray:
        """S_L of `passes` noisy passes of each atom (N, d): (N, passes, d)."""
        hidden = np.repeat(atoms[:, None], passes, axis=1)
        for layer, (slope, offset) in enumerate(zip(self.slopes, self.offsets, strict=True)):
            if layer:
                hidden = hidden + self.beta * generator.standard_normal(hidden.shape)
            hidden = np.tanh(slope * hidden + offset)
        return hidden
