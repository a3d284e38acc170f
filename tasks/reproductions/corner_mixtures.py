"""Gaussians around the corners of the cube: the error of the plug-in over n, d and the noise."""

from collections.abc import Iterable

import numpy as np

from ib_core.estimate import WIDTH
from tasks.calibration.tables import load_calibration
from tasks.page.tables import number
from tasks.reproduction.calibrated import at_most, over_samples, truth
from tasks.reproduction.reading import UNKNOWN, Span
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SOURCE = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589 (v1)"
LAW, WIDTHS, BETAS = "corner_mixture", (5, 10, 15), (0.1, 0.2, 0.5)
NEAR = 0.1  # nats
SLACK = 0.1  # of an exponent that is -1/2 in the limit


def claims(results: Results) -> Iterable[Claim]:
    tables = load_calibration(results["corner-mixtures"])
    n = max(tables.config["entropy"]["samples"])
    for d in (5, 10):
        known, found = truth(LAW, d, 0.5), at_most(tables, LAW, d, 0.5)
        yield Claim(
            f"In {d} dimensions at noise 0.5 sample propagation converges to the truth.",
            SOURCE,
            f"{number(known, 4)} (quadrature), within {NEAR:g}",
            f"{found} at n = {n}",
            found.near(known, NEAR),
        )
    slopes = tables.slopes
    mine = (slopes["law"] == LAW) & (slopes["quantity"] == "risk") & (slopes["d"] == 5) & (slopes["beta"] == 0.5)
    found = UNKNOWN
    for fit in slopes[mine & slopes["value"].notna()].itertuples():
        found = Span(fit.value - WIDTH * fit.stderr, fit.value + WIDTH * fit.stderr)
    yield Claim(
        "The risk falls at least at the parametric rate.",
        f"{SOURCE}, Theorem 2",
        f"exponent of n at most -1/2, within {SLACK:g}",
        f"{found} in 5 dimensions at noise 0.5",
        found.below(-0.5 + SLACK),
    )
    known, found = truth(LAW, 15, 0.1), at_most(tables, LAW, 15, 0.1)
    yield Claim(
        "In 15 dimensions at noise 0.1 the plug-in stays far below the truth: the samples needed grow exponentially.",
        f"{SOURCE}, Theorem 1",
        f"{number(known, 4)} (quadrature)",
        f"{found} at n = {n}, ln n = {number(float(np.log(n)), 4)}",
        found.below(known - 1.0),
    )


def plates(results: Results) -> Iterable[Plate]:
    tables = load_calibration(results["corner-mixtures"])
    yield Plate(
        "mixtures",
        "Information of corner mixtures against the number of samples",
        "Mean plug-in I(S; S + Z) in nats against n samples (logarithmic), S around the corners of the cube; bands are "
        "three standard errors over replications. Dashed: the truth. Dotted: ln n, above which no plug-in of n samples "
        "can lie.",
        over_samples(tables, LAW, WIDTHS, BETAS),
    )


corner_mixtures = Reproduction(
    "how does the error of the plug-in grow with the dimension?",
    "A truncated Gaussian around every corner of the cube in 5, 10 and 15 dimensions, smoothed by noise, after "
    f"{SOURCE}.",
    ("corner-mixtures",),
    claims,
    plates,
    differs=(
        "The Gaussians have a standard deviation of 0.1, which is our choice.",
        "Samples are drawn up to n = 32 768 instead of ten million.",
    ),
    small={"corner-mixtures": {"entropy.samples": [64, 256], "entropy.replications": 3, "entropy.fit_from": 64}},
)
