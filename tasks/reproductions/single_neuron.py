"""One tanh neuron: its information rises to that of four separate outputs, and falls to that of two clusters."""

import math
from collections.abc import Iterable

from tasks.reproduction.figures import clean, curves_in_words, information_curves
from tasks.reproduction.reading import at, brackets, peak, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SOURCE = "a public reproduction of Goldfeld et al., ICML 2019 (arXiv:1810.05728)"
FOUR, TWO = math.log(4), 2 * math.log(2) - 0.75 * math.log(3)  # H(X), and H(1/4) of two clusters
NEAR = 0.05  # nats from a limit that is not reached in finitely many steps


def claims(results: Results) -> Iterable[Claim]:
    rows = brackets(sweep(results["single-neuron"]), 1)
    first, highest, last = at(rows, 0), peak(rows), at(rows)
    yield Claim(
        "Before training the output does not depend on the input.", SOURCE, "I = 0", str(first), first.near(0.0, 1e-9)
    )
    yield Claim(
        "As the weight grows, the four outputs separate: I rises towards ln 4.",
        SOURCE,
        f"1.386, within {NEAR:g}",
        f"highest {highest}",
        highest.near(FOUR, NEAR),
    )
    yield Claim(
        "The tanh saturates and the outputs of the three inputs of one class merge: I falls to H(1/4).",
        SOURCE,
        f"0.562, within {NEAR:g}",
        f"last {last}",
        last.near(TWO, NEAR),
    )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["single-neuron"])
    yield Plate(
        "information",
        "Information of the neuron while it is trained",
        "I(X; T) in nats over epochs, one step each; bands are brackets, a line for each seed. Dotted: ln 4 of four "
        "separate outputs, H(1/4) of two clusters.",
        information_curves(found, [1], levels={"ln 4": FOUR, "H(1/4)": TWO}),
        curves_in_words(found, [1]),
        clean("single-neuron"),
    )


single_neuron = Reproduction(
    "how does a single neuron compress?",
    "T = tanh(w X + b) + Z with X uniform on -3, -1, 1, 3, targets -1, -1, -1, 1, beta = .05, squared loss and "
    "gradient descent from w = b = 0, after " + SOURCE + ".",
    ("single-neuron",),
    claims,
    plates,
    differs=(
        "The step size grows from .01 to 10 instead of staying at .001: the path is the same, but the last "
        "clusters form logarithmically slowly, and with .001 the end is not reached in a million steps.",
        "The quoted end point w = 6.94, b = -14.3 is not reached for the same reason; the information is close "
        "to its limit long before.",
    ),
    small={"single-neuron": {"training.epochs": 300, "training.checkpoints": 6, "network.seeds": [0]}},
)
