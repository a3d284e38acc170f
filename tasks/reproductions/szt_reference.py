"""The reference experiment on SZT: information of five layers over 10 000 epochs, with brackets."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.page.tables import number
from tasks.reproduction.figures import clean, curves_in_words, information_curves
from tasks.reproduction.reading import Span, brackets, every, input_entropy, lost, mean, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.arranged import Arranged

AUTHORS = "code and data of Goldfeld et al., ICML 2019 (arXiv:1810.05728)"
LAYERS = (1, 2, 3, 4, 5)


class Turns(NamedTuple):
    """Where a curve rises, dips, rises again and falls: positions of its highest points and of the dip between them."""

    first: int
    dip: int
    second: int


def turns(values: np.ndarray) -> Turns:
    """The two heights and the dip between them for which the way down and up again is longest."""
    n = len(values)
    before, behind = np.maximum.accumulate(values), np.maximum.accumulate(values[::-1])[::-1]
    dip = int(np.argmax(before + behind - 2 * values))
    return Turns(int(np.argmax(values[: dip + 1])), dip, dip + int(np.argmax(values[dip:n])))


def _story(path: pd.DataFrame) -> tuple[list[Span], list[int]]:
    """Brackets and epochs of one seed before training, at the first height, the dip, the second height and the end."""
    found = turns(path["middle"].to_numpy())
    rows = path.iloc[[0, *found, len(path) - 1]]
    return [Span(row.lower, row.upper) for row in rows.itertuples()], [int(epoch) for epoch in rows["epoch"]]


def _told(spans: list[Span], epochs: list[int]) -> str:
    """Middles of brackets with their epochs: "5.52 (1), ..."."""
    return ", ".join(f"{number((at.low + at.high) / 2, 2)} ({e})" for at, e in zip(spans, epochs, strict=True))


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["szt-reference"])
    plateau = input_entropy(found)
    yield _accuracy(found)
    for layer in (1, 2, 3):
        rows = brackets(found, layer)
        least = [Span(*path[["lower", "upper"]].min()) for _, path in rows.groupby("seed")]
        yield Claim(
            f"Layer {layer} stays on the plateau H(X) at every epoch.",
            AUTHORS,
            f"flat at their plateau 7.745 (of bootstrapped inputs); ours is {number(plateau)}",
            f"least, by seed: {', '.join(map(str, least))}",
            every([each.near(plateau, 0.1) for each in least]),
        )
    for layer, theirs in (
        (4, "5.52 (epoch 1), 6.78 (24), 5.20 (72), 7.09 (559), 5.57 (end)"),
        (5, "2.52 (epoch 1), 4.87 (24), 3.33 (72), 4.92 (509), 2.30 (end)"),
    ):
        rows = brackets(found, layer)
        stories = [_story(path) for _, path in rows.groupby("seed")]
        yield Claim(
            f"Layer {layer} rises, dips, rises again and falls.",
            AUTHORS,
            theirs,
            "; ".join(_told(*story) for story in stories),
            every([verdict for spans, _ in stories for verdict in _shape(spans)]),
        )
    rows = brackets(found, 5)
    losses = [spans[3] - spans[4] for spans, _ in (_story(path) for _, path in rows.groupby("seed"))]
    yield Claim(
        "From its second maximum to the end, layer 5 loses more than 2 nats.",
        AUTHORS,
        "2.62 nats",
        f"by seed: {', '.join(map(str, losses))}",
        every([each.above(2.0) for each in losses]),
    )
    widest = float((rows["upper"] - rows["lower"]).max()) if len(rows) else math.nan
    yield Claim(
        "The brackets of layer 5 are narrow.",
        "no published value has brackets",
        "here: under 0.1 nats",
        f"widest {number(widest)}, median {number(float((rows['upper'] - rows['lower']).median()))}",
        None if math.isnan(widest) else widest < 0.1,
    )
    yield from _regularised(sweep(results["szt-activations"]))


def _accuracy(found: Arranged) -> Claim:
    history = found.tables.history
    last = found.final(history)
    accuracy = mean(last["test_clean_accuracy"])
    value = float(last["test_clean_accuracy"].mean())
    return Claim(
        "Without noise the trained network classifies the test part correctly.",
        AUTHORS,
        ".98 (here: at least .96)",
        f"{number(value)} in the mean over seeds, 95 % interval {accuracy._replace(high=min(accuracy.high, 1.0))}",
        accuracy.above(0.96),
    )


def _shape(spans: list[Span]) -> list[bool | None]:
    """Whether each turn is beyond the brackets."""
    start, first, dip, second, end = spans
    return [step.above(0.0) for step in (first - start, first - dip, second - dip, second - end)]


def _regularised(found: Arranged) -> Iterable[Claim]:
    """What orthonormal regularisation does to the compression of layer 5."""
    for activation in ("tanh", "relu", "leaky-relu", "linear"):
        plain, bound = (lost(brackets(found, 5, network=f"{activation}{how}")) for how in ("", "-orthonormal"))
        yield Claim(
            f"Orthonormal regularisation keeps the last layer of the {activation.replace('-', ' ')} network from "
            "compressing.",
            "after Goldfeld et al., ICML 2019",
            "less compression with it than without",
            f"{plain} nats lost since the highest epoch without, {bound} with it",
            (plain - bound).above(0.0) if plain.above(0.0) else None,
        )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["szt-reference"])
    levels = {"H(X)": input_entropy(found)}
    yield Plate(
        "reference",
        "Information of the tanh network over training",
        "I(X; T) in nats over epochs (logarithmic); bands are brackets, a line for each seed. Dotted: H(X).",
        information_curves(found, LAYERS, levels=levels),
        curves_in_words(found, LAYERS),
        clean("szt-reference"),
    )
    others = sweep(results["szt-activations"])
    for name, title in (("", "Four activations"), ("-orthonormal", "Four activations with orthonormal regularisation")):
        networks = [f"{activation}{name}" for activation in ("tanh", "relu", "leaky-relu", "linear")]
        yield Plate(
            f"activations{name.replace('-', '_')}",
            title,
            "I(X; T) in nats over epochs (logarithmic); bands are brackets, a line for each seed. Dotted: H(X).",
            information_curves(others, LAYERS, networks=networks, levels=levels),
            curves_in_words(others, LAYERS, networks=networks),
            clean("szt-activations"),
        )


_TINY = {
    "data.atoms": 200,
    "training.epochs": 30,
    "estimator.stored_passes": 4,
    "estimator.own_passes": 40,
    "estimator.max_draws": 1024,
}

szt_reference = Reproduction(
    "how does the information of every layer of the reference network develop?",
    "The network 12-10-7-5-4-3-2 on all 4096 patterns of Shwartz-Ziv and Tishby, beta = .005, Adam with step .0004, "
    f"batches of 256, 10 000 epochs, after the {AUTHORS}.",
    ("szt-reference", "szt-activations"),
    claims,
    plates,
    differs=(
        "All 4096 patterns are enumerated; theirs were drawn with replacement, which lowers the plateau from 8.318 to "
        "7.745 nats.",
        "Theirs is one run of one activation and one number for each epoch; here there are five seeds with "
        "brackets, and three for each activation and regularisation.",
        "How long the loss stays at ln 2 before training takes hold depends on the initial weights: of seeds 0 to 15 "
        "the three with the largest first loss (0, 5 and 6) stay beyond epoch 76, and so do their weights trained in "
        "plain torch.",
    ),
    small={
        "szt-reference": {**_TINY, "network.seeds": [0], "training.checkpoints": 8},
        "szt-activations": {**_TINY, **{f"networks.{k}.seeds": [0] for k in range(8)}, "training.checkpoints": 3},
    },
)
