"""Robust training on SZT: does the information in the layers move less under shift?"""

from collections.abc import Iterable

from tasks.reproduction import robustness
from tasks.reproduction.reading import sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SWEEP = "robust-szt"
GUARDED = {
    "kl": "hamming_tilt",
    "tv": "contamination",
    "cvar": "contamination",
    "chi2": "hamming_tilt",
    "w2": "gaussian_displacement",
    "worst-class": "class_prior",
    "shifted": "gaussian_displacement",
    "w2-shifted": "gaussian_displacement",
}


def claims(results: Results) -> Iterable[Claim]:
    return robustness.claims(sweep(results[SWEEP]), GUARDED)


def plates(results: Results) -> Iterable[Plate]:
    return robustness.plates(sweep(results[SWEEP]), GUARDED)


robust_szt = Reproduction(
    "does I(X;T) of SZT networks change less under shift after robust training?",
    "The question that closes the slides this project started from; objectives after Hu and Hong 2013, Duchi and "
    "Namkoong 2021, Rockafellar and Uryasev 2000, Sinha, Namkoong and Duchi 2018, Sagawa et al. 2020.",
    (SWEEP,),
    claims,
    plates,
    differs=(
        "Seven objectives at one radius each, training on the shift itself, and both, on the same three seeds.",
        robustness.MANY,
    ),
    small={
        SWEEP: {
            "data.atoms": 100,
            "training.epochs": 5,
            **{f"networks.{k}.seeds": [0] for k in range(9)},
            "estimator.stored_passes": 2,
            "estimator.own_passes": 16,
            "estimator.target_stderr": 0.1,
            "estimator.max_draws": 1024,
        }
    },
)
