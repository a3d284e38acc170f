"""Stage `risk`: the plug-in entropy of n samples of a known law, again and again, against the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch

from ib_core.calibration.known_laws import KNOWN_LAWS, smoothed_truth
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.streams import stream
from tasks.engine.recipe import Cost, Recipe, draws_to_reach
from tasks.store.parquet import write_table

SECONDS_PER_PAIR = 0.2e-9  # one (point, centre) pair of the mixture kernel
SECONDS_PER_DRAW = 0.3e-6
LEAST = 4  # draws around each centre, however few are enough


@dataclass(frozen=True, eq=False)
class Risk(Recipe):
    """The error of the plug-in entropy of n samples, in replications.

    Attributes:
        law: name of a law whose smoothed entropy is known.
        beta: standard deviation of the noise.
        d: width of the signal.
        n: samples.
        replications: independent samples.
        target_stderr: standard error (nats) at which the draws of one estimate stop.
        max_draws: most of them.
        seed: key of all samples and draws.
    """

    stage: ClassVar[str] = "risk"
    law: str
    beta: float
    d: int
    n: int
    replications: int
    target_stderr: float
    max_draws: int
    seed: int

    @property
    def label(self) -> str:
        return f"{self.law}/b{self.beta!r}/d{self.d}/n{self.n}"

    def cost(self) -> Cost:
        most = 2 * self.max_draws / self.d
        draws = 0.0 if self.d <= 2 else max(0.5 * self.d * draws_to_reach(self.target_stderr, most), LEAST * self.n)
        return Cost(self.replications * (2e-3 + draws * (SECONDS_PER_DRAW + self.n * SECONDS_PER_PAIR)), 3e3)

    def build(self, out: Path) -> None:
        """Write replications.parquet: the plug-in h(S_hat + Z), its Monte Carlo standard error and the truth, in nats.

        Each replication has samples and draws of its own, keyed by the case and its number.
        """
        torch.set_num_threads(1)
        law = KNOWN_LAWS[self.law](self.d, self.beta)
        truth, rows = smoothed_truth(law, self.beta), []
        for k in range(self.replications):
            generator = stream(self.seed, "risk", self.law, self.d, repr(self.beta), self.n, k)
            estimate = smoothed_entropy(
                law.draw(self.n, generator),
                self.beta,
                target_stderr=self.target_stderr,
                max_draws=self.max_draws,
                seed=int(generator.integers(2**31)),
            )
            rows.append({"replication": k, "plug_in": estimate.value, "plug_in_stderr": estimate.stderr})
        write_table(out / "replications.parquet", pd.DataFrame(rows).assign(truth=truth))
