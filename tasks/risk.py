"""Stage `risk`: the plug-in entropy of n samples of a known law, again and again, against the truth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ib_core.calibration.known_laws import KNOWN_LAWS, smoothed_truth
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.streams import stream
from tasks.store import Result
from tasks.tables import write_table


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write replications.parquet: the plug-in h(S_hat + Z), its Monte Carlo standard error and the truth, in nats.

    Each replication has samples and draws of its own, keyed by the case and its number.
    """
    torch.set_num_threads(1)
    n, d, beta = settings["n"], settings["d"], settings["beta"]
    law = KNOWN_LAWS[settings["law"]](d, beta)
    truth, rows = smoothed_truth(law, beta), []
    for k in range(settings["replications"]):
        generator = stream(settings["seed"], "risk", settings["law"], d, repr(beta), n, k)
        estimate = smoothed_entropy(
            law.draw(n, generator),
            beta,
            target_stderr=settings["target_stderr"],
            max_draws=settings["max_draws"],
            seed=int(generator.integers(2**31)),
        )
        rows.append({"replication": k, "plug_in": estimate.value, "plug_in_stderr": estimate.stderr})
    write_table(out / "replications.parquet", pd.DataFrame(rows).assign(truth=truth))
