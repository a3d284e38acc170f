"""Two leaky ReLUs: information is lost while they are trained, though nothing saturates."""

import math
from collections.abc import Iterable

from tasks.reproduction.figures import clean, curves_in_words, information_curves
from tasks.reproduction.reading import at, brackets, lost, peak, risen, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SOURCE = "after Goldfeld et al., ICML 2019 (arXiv:1810.05728)"


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["two-neurons"])
    for layer, name in ((1, "first"), (2, "second")):
        rows = brackets(found, layer)
        yield Claim(
            f"The information of the {name} neuron rises from its value before training.",
            SOURCE,
            "a rise",
            f"{at(rows, 0)} before training, highest {peak(rows)}",
            risen(rows).above(0.0),
        )
        yield Claim(
            f"Afterwards the {name} neuron loses information, though a leaky ReLU does not saturate: inputs "
            "move to its flat side, where their outputs are closer than the noise.",
            SOURCE,
            "a fall",
            f"{lost(rows)} nats lost, last {at(rows)} of ln 8 = {math.log(8):.3f}",
            lost(rows).above(0.0),
        )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["two-neurons"])
    yield Plate(
        "information",
        "Information of both neurons while they are trained",
        "I(X; T) in nats over epochs, one step each; bands are brackets, a line for each seed. Dotted: ln 8 of eight "
        "separate outputs.",
        information_curves(found, [1, 2], levels={"ln 8": math.log(8)}),
        curves_in_words(found, [1, 2]),
        clean("two-neurons"),
    )


two_neurons = Reproduction(
    "does a neuron that cannot saturate compress?",
    "Two leaky ReLUs of slope .1 in a row on X uniform on 1, ..., 8 with targets 0 and 1/4, from w1 = 0, b1 = 4.5, "
    f"w2 = -1, b2 = 0, beta = .05, squared loss and gradient descent, {SOURCE}.",
    ("two-neurons",),
    claims,
    plates,
    differs=("Which inputs have which target, the noise and the step size are our choice.",),
    small={"two-neurons": {"training.epochs": 300, "training.checkpoints": 5, "network.seeds": [0]}},
)
