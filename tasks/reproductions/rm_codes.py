"""Reed-Muller codewords in noise: how many samples the plug-in needs, against information that is known."""

import math
from collections.abc import Iterable

from tasks.calibration.tables import load_calibration
from tasks.page.tables import number
from tasks.reproduction.calibrated import at_most, over_samples, truth
from tasks.reproduction.reading import every
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SOURCE = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589 (v1)"
LAW, BETAS = "hypercube", (0.5, 1.0, 1.5, 2.0, 3.0)
NEAR = 0.05  # nats that a converged estimate may be off


def claims(results: Results) -> Iterable[Claim]:
    tables = load_calibration(results["rm-codes"])
    n = max(tables.config["entropy"]["samples"])
    for d, beta, name in ((16, 1.0, "RM(4, 4)"), (16, 2.0, "RM(4, 4)"), (32, 2.0, "RM(5, 5)")):
        known, found = truth(LAW, d, beta), at_most(tables, LAW, d, beta)
        yield Claim(
            f"{name} at noise {beta:g}: sample propagation converges to the information of the code.",
            SOURCE,
            f"{number(known, 4)} (closed form), within {NEAR:g}",
            f"{found} at n = {n}",
            found.near(known, NEAR),
        )
    known, found = truth(LAW, 32, 0.5), at_most(tables, LAW, 32, 0.5)
    yield Claim(
        "At small noise the plug-in of RM(5, 5) stays at ln n: it needs exponentially many samples, as every "
        "estimator does.",
        f"{SOURCE}, Theorem 1",
        f"{number(known, 4)} (closed form)",
        f"{found} at n = {n}, ln n = {number(math.log(n), 4)}",
        every([found.below(known - 1.0), found.above(math.log(n) - 1.0)]),
    )


def plates(results: Results) -> Iterable[Plate]:
    tables = load_calibration(results["rm-codes"])
    yield Plate(
        "codes",
        "Information of the codes against the number of samples",
        "Mean plug-in I(S; S + Z) in nats against n samples (logarithmic), S uniform on the corners of the cube in 16 "
        "(RM(4, 4)) and 32 dimensions (RM(5, 5)); bands are three standard errors over replications. Dashed: "
        "the truth. Dotted: ln n, above which no plug-in of n samples can lie.",
        over_samples(tables, LAW, (16, 32), BETAS),
    )


rm_codes = Reproduction(
    "how many samples does the information of a code need?",
    "All codewords of RM(4, 4) and RM(5, 5), which are the corners of the cube in 16 and 32 dimensions, over a "
    f"Gaussian channel, after {SOURCE}.",
    ("rm-codes",),
    claims,
    plates,
    differs=("Samples are drawn up to n = 32 768 instead of 100 000.",),
    small={"rm-codes": {"entropy.samples": [64, 256], "entropy.replications": 3, "entropy.fit_from": 64}},
)
