"""Controls: what is found where there is nothing to be found."""

import math
from collections.abc import Iterable

from ib_core.estimate import IN_WORDS, WIDTH
from tasks.page.tables import number
from tasks.reproduction.figures import clean, curves_in_words, information_curves
from tasks.reproduction.reading import at, brackets, every, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.phases import phases
from tasks.sweep.schema import CELL

THEORY = "a control: true by construction"
LEVEL = 0.05  # at which the permutation tests of all layers and seeds together refuse
LEAST = 1 / 400  # p-value of 399 permutations


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["label-shuffle"])
    measures = found.tables.measures
    last = found.final(measures[(measures["network"] == "shuffled") & (measures["shift"] == "reference")])
    null = last[last["measure"] == "label_null"].pivot_table("value", CELL, "quantity")
    p, tests = null["p_value"].min() if len(null) else 1.0, max(len(null), 1)
    outside = int((~null["I_T_Y"].between(null["null_low"], null["null_high"])).sum()) if len(null) else 0
    yield Claim(
        "After training on shuffled labels, no layer has more information about the test labels than about the "
        "same labels in random order.",
        THEORY,
        f"p-values above {LEVEL}/{tests} in all {tests} tests",
        f"least p {number(float(p))}; {outside} of {tests} outside the middle 95 % of the null",
        bool(p > LEVEL / tests) if len(null) and LEVEL / tests >= LEAST else None,
    )
    history = found.tables.history
    right = found.final(history[history["network"] == "shuffled"])
    law = found.tables.laws[found.tables.laws["shift"] == "reference"].iloc[0]
    reach = law["p_label"] - 0.5 + WIDTH * 0.5 / math.sqrt(law["n_atoms"])  # of the more frequent label, and by chance
    yield Claim(
        "Its test accuracy is that of chance.",
        THEORY,
        f"{number(0.5 - reach)} to {number(0.5 + reach)} ({int(law['n_atoms'])} inputs, {IN_WORDS})",
        f"{number(float(right['test_accuracy'].min()))} to {number(float(right['test_accuracy'].max()))}",
        bool(right["test_accuracy"].between(0.5 - reach, 0.5 + reach).all()) if len(right) else None,
    )
    empty = brackets(found, 1, network="constant")
    yield Claim(
        "A layer that does not depend on its input has no information.",
        THEORY,
        "exactly 0",
        str(at(empty)),
        bool((empty["lower"] == 0).all() and (empty["upper"] == 0).all()) if len(empty) else None,
    )
    still = phases(found)
    still = still[still["network"] == "still"]
    moved = still[["rise_low", "lost_low"]].max(axis=None) if len(still) else 0.0
    yield Claim(
        "An untrained network shows no phases: no layer rises or falls beyond its brackets.",
        THEORY,
        "flat",
        f"{len(still)} curves, most that any moved beyond its brackets {number(max(float(moved), 0.0))} nats",
        every([bool(row.rise_low <= 0 and row.lost_low <= 0) for row in still.itertuples()]),
    )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["label-shuffle"])
    yield Plate(
        "information",
        "Information about the input",
        "I(X; T) in nats over epochs; bands are brackets, a line for each seed, on the test part.",
        information_curves(found, (1, 2, 3, 4, 5), networks=["shuffled", "still"]),
        curves_in_words(found, (1, 2, 3, 4, 5), networks=["shuffled", "still"]),
        clean("label-shuffle"),
    )
    yield Plate(
        "labels",
        "Information about shuffled labels",
        "I(T; Y) in nats over epochs on the test part; bands are brackets, a line for each seed. It is not 0, "
        "since a layer that distinguishes inputs distinguishes any labels on them. The permutation test asks "
        "whether there is more.",
        information_curves(
            found, (1, 2, 3, 4, 5), networks=["shuffled", "still"], quantity="I_T_Y", label="I(T; Y) in nats"
        ),
        curves_in_words(found, (1, 2, 3, 4, 5), networks=["shuffled", "still"], quantity="I_T_Y"),
        clean("label-shuffle", "I_T_Y"),
    )


label_shuffle = Reproduction(
    "what is found where there is nothing?",
    "Shuffled labels, untrained and constant networks on the data of Shwartz-Ziv and Tishby.",
    ("label-shuffle",),
    claims,
    plates,
    small={
        "label-shuffle": {
            "training.epochs": 20,
            "training.checkpoints": 2,
            "data.atoms": 200,
            "networks.0.seeds": [0],
            "networks.1.seeds": [0],
            "estimator.max_draws": 2048,
            "estimator.own_passes": 40,
        }
    },
)
