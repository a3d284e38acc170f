"""Phases of training: when the information of a layer was highest, what it rose before and lost since."""

import numpy as np
import pandas as pd

from ib_core.estimate import mean_of_few
from tasks.page.tables import Table, number
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.seeds import LEAST as FEWEST

KEYS = ["network", "beta", "seed", "split", "layer"]
LEAST = 3  # epochs that make phases


def phases(arranged: Arranged, quantity: str = "I_X_T") -> pd.DataFrame:
    """One row for each layer of each network, under the reference law.

    Columns: `first`, `last` and `peak`, the first and the last epoch and that with the highest bracket; `earliest` to
    `latest`, the epochs between which the highest information may lie, as far as brackets say; `rise` and `lost`, what
    the peak is above the first and the last epoch, each from `_low` to `_high` in nats. The peak is chosen by the
    brackets that it is published from: a rise or a loss is a finding where its low end is above 0.

    Args:
        arranged: the tables.
        quantity: "I_X_T" or "I_T_Y".
    """
    table = arranged.brackets(quantity)
    rows = []
    for key, path in table[table["shift"] == "reference"].groupby(KEYS, sort=False):
        path = path.sort_values("epoch")
        if len(path) < LEAST:
            continue
        low, high, epoch = (path[name].to_numpy() for name in ("lower", "upper", "epoch"))
        peak = int(np.argmax(low))
        could = epoch[high >= low[peak]]
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                **{"first": epoch[0], "peak": epoch[peak], "last": epoch[-1]},
                **{"earliest": could.min(), "latest": could.max()},
                **{"rise_low": low[peak] - high[0], "rise_high": high[peak] - low[0]},
                **{"lost_low": low[peak] - high[-1], "lost_high": high[peak] - low[-1]},
            }
        )
    numbers = ["first", "peak", "last", "earliest", "latest", "rise_low", "rise_high", "lost_low", "lost_high"]
    return pd.DataFrame(rows, columns=[*KEYS, *numbers])


def phase_table(arranged: Arranged) -> Table:
    """Phases by case and layer: spans over seeds, the mean loss with its interval, and in words what is beyond the
    brackets in every seed."""
    found = phases(arranged)
    rows = []
    for case in arranged.cases:
        for layer, mine in case.of(found).groupby("layer"):
            when = (
                f"{mine['peak'].min()} to {mine['peak'].max()}"
                if mine["peak"].nunique() > 1
                else f"{mine['peak'].iloc[0]}"
            )
            could = f"{mine['earliest'].min()} … {mine['latest'].max()}"
            rows.append(
                [case.label, str(layer), (when, "", could), _ends(mine, "rise"), _ends(mine, "lost"),
                 mean_loss(mine), verdict(mine)]
            )  # fmt: skip
    head = [
        "network",
        "layer",
        "highest at epoch",
        "rise before, nats",
        "lost since, nats",
        "mean loss",
        "in words",
    ]
    caption = (
        "I(X; T) under the reference law. Small print: the epochs between which the highest value may lie, by the "
        "brackets. Brackets of the rise before and the loss since cover all seeds; the mean loss is over seeds, from "
        f"{FEWEST} on with its 95 % interval by Student's t."
    )
    return Table(head, rows, caption)


def _ends(rows: pd.DataFrame, name: str) -> str:
    return f"[{number(rows[f'{name}_low'].min())}, {number(rows[f'{name}_high'].max())}]"


def mean_loss(rows: pd.DataFrame) -> str:
    """The mean over seeds of the middle of what was lost; its interval where there are as many as have one."""
    value, half = mean_of_few((rows["lost_low"] + rows["lost_high"]) / 2)
    return number(value) if len(rows) < FEWEST else f"{number(value)} ± {number(half)}"


def verdict(rows: pd.DataFrame) -> str:
    """What is beyond the brackets in every seed; where only some seeds show anything, that they differ."""
    rises, falls = ((rows[f"{name}_low"] > 0).all() for name in ("rise", "lost"))
    if rises and falls:
        return "rises, then compresses"
    if falls:
        return "compresses from the start" if (rows["peak"] == rows["first"]).all() else "compresses"
    if rises:
        return "rises, in some seeds then compresses" if (rows["lost_low"] > 0).any() else "rises"
    some = (rows[["rise_low", "lost_low"]] > 0).any(axis=None)
    return "differs between seeds" if some else "no change beyond the brackets"
