"""The convolutional network on the digits: accuracy with and without noise, cosines, and projected information."""

from collections.abc import Iterable

import pandas as pd

from tasks.page.tables import number
from tasks.reproduction.figures import curves_in_words, information_curves
from tasks.reproduction.reading import every, input_entropy, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.figures import information_by_epoch
from tasks.sweep.report.measure_figures import cosines

SOURCE = "after Goldfeld et al., ICML 2019 (arXiv:1810.05728)"
BETA = 0.1


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["mnist-cnn"])
    history = found.final(found.tables.history)
    history = history.assign(cost=history["test_clean_accuracy"] - history["test_accuracy"])
    means = history.groupby("beta")[["test_accuracy", "test_clean_accuracy"]].mean()
    here = history[history["beta"] == BETA]
    if len(here):
        yield Claim(
            "At noise .1 the noisy network still classifies the digits.",
            SOURCE,
            "here: at least .985 of the test images",
            f"{here['test_accuracy'].min():.4f} with the noise, {here['test_clean_accuracy'].min():.4f} without",
            bool((here["test_accuracy"] >= 0.985).all()),
        )
    yield Claim(
        "The noise costs little accuracy, compared with the same weights without it.",
        SOURCE,
        "here: within .01 up to noise .2",
        ", ".join(f"{beta:g}: {noisy:.4f} ({clean:.4f})" for beta, noisy, clean in means.itertuples()),
        every([bool(cost < 0.01) for cost in history.loc[history["beta"] <= 0.2, "cost"]]),
    )
    within, between = (_cosines(found, f"cosine_{kind}") for kind in ("within", "between"))
    yield Claim(
        "In every layer, signals of one class are more similar in direction than signals of different classes.",
        SOURCE,
        "a larger cosine within classes",
        "; ".join(
            f"L{layer}: {number(within[layer], 2)} within, {number(between[layer], 2)} between"
            for layer in within.index
        )
        + f" (noise {BETA:g})",
        every([bool(within[layer] > between[layer]) for layer in within.index]),
    )
    gap = within - between
    if len(gap) > 1:
        yield Claim(
            "The difference grows with depth: the classes separate.",
            SOURCE,
            "growing with depth",
            ", ".join(f"L{layer} {number(value, 2)}" for layer, value in gap.items()),
            bool(gap.is_monotonic_increasing),
        )
    projected = found.final(found.projected)
    projected = projected[projected["shift"] == "reference"]
    entropy, widest = input_entropy(found), (projected["upper"] - projected["lower"]).max()
    yield Claim(
        "In layers whose information cannot be told from H(X), two principal directions have information that "
        "can be measured.",
        "no published value: the whole layer is at ln N",
        "unsaturated, with a bracket",
        "; ".join(
            f"L{row.layer}, noise {row.beta:g}: [{number(row.lower, 2)}, {number(row.upper, 2)}]"
            for row in projected.itertuples()
        )
        + f" of H(X) = {number(entropy, 2)}",
        bool((projected["upper"] < entropy).all() and widest < 2.0) if len(projected) else None,
    )


def _cosines(found: Arranged, quantity: str) -> pd.Series:
    """By layer, at the last epoch and the noise level of the claims."""
    table = found.final(found.tables.measures)
    here = (table["measure"] == "clustering") & (table["quantity"] == quantity) & (table["shift"] == "reference")
    return table[here & (table["beta"] == BETA)].groupby("layer")["value"].mean()


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["mnist-cnn"])
    table = found.tables.measures
    table = table[(table["measure"] == "clustering") & (table["shift"] == "reference")]
    if found.information.empty:
        return
    yield Plate(
        "epochs",
        "Information, loss and accuracy by epoch",
        "Top: I(X; T) in nats by epoch; bands are brackets, from a projection's lower end to H(X) where a layer "
        "is too wide. Below: cross-entropy with the noise, and accuracy with it and (grey) without.",
        information_by_epoch(found, found.sheets[0]),
        shown.over_epochs(found, found.sheets[0].cases),
    )
    yield Plate(
        "projected",
        "Information of two principal directions by layer and epoch",
        "I(X; UT) in nats by epoch of the projection of each layer on two principal directions of other passes; "
        "bands are brackets. Its lower end is below I(X; T), too; its upper end bounds I(X; UT) alone.",
        information_curves(found, (1, 2, 3), quantity="I_X_UT", label="I(X; UT) in nats"),
        curves_in_words(found, (1, 2, 3), quantity="I_X_UT"),
    )
    for k, case in enumerate(found.cases, start=1):
        if len(here := case.of(table)):
            yield Plate(
                f"cosines_{k}",
                f"Cosines within and between classes, {case.label}",
                "Shares of the cosines of pairs of signals without noise, by layer, at the first and the last epoch: "
                "pairs of one class and pairs of two.",
                cosines(case, here),
                shown.mean_cosines(here),
            )


mnist_cnn = Reproduction(
    "what do the layers of a convolutional network keep?",
    "Two convolutions with batch norm, tanh, noise and pooling, then a dense layer of 128 units, on MNIST at noise "
    f".05, .1, .2 and .5, {SOURCE}.",
    ("mnist-cnn",),
    claims,
    plates,
    differs=(
        "Eight epochs of gradient descent with momentum on images as they are, instead of 128 on shifted, rotated and "
        "sheared ones; the step size falls from .005 to .0005 as theirs.",
        "1000 test images are measured. The network without noise is the same network with its noise turned off.",
        "MNIST needs its four official files: IBSHIFT_MNIST_DIR names their folder.",
    ),
    small={
        "mnist-cnn": {
            "data.atoms": 100,
            "network.betas": [0.1],
            "network.channels": [4, 8],
            "network.widths": [16],
            "training.epochs": 1,
            "training.checkpoints": 1,
            "training.batch_size": 512,
            "estimator.own_passes": 16,
            "estimator.max_draws": 2048,
        }
    },
)
