"""Robust training on MNIST: does the information in the layers move less under shift?"""

from collections.abc import Iterable

from tasks.reproduction import robustness
from tasks.reproduction.reading import sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results

SWEEP = "robust-mnist"
GUARDED = {
    "kl": "class_tilt",
    "tv": "class_prior",
    "chi2": "class_tilt",
    "w2": "gaussian_displacement",
    "worst-class": "class_prior",
    "shifted": "rotation",
    "kl-shifted": "rotation",
}


def claims(results: Results) -> Iterable[Claim]:
    return robustness.claims(sweep(results[SWEEP]), GUARDED)


def plates(results: Results) -> Iterable[Plate]:
    return robustness.plates(sweep(results[SWEEP]), GUARDED)


robust_mnist = Reproduction(
    "does I(X;T) of MNIST networks change less under shift after robust training?",
    "The question of robust-szt for a narrow network on handwritten digits.",
    (SWEEP,),
    claims,
    plates,
    differs=(robustness.MANY, "MNIST needs its four official files: IBSHIFT_MNIST_DIR names their folder."),
    small={
        SWEEP: {
            "data.atoms": 60,
            "training.epochs": 1,
            "training.batch_size": 1024,
            **{f"networks.{k}.seeds": [0] for k in range(8)},
            **{f"networks.{k}.widths": [16, 4] for k in range(8)},
            "estimator.stored_passes": 2,
            "estimator.own_passes": 16,
            "estimator.target_stderr": 0.1,
            "estimator.max_draws": 1024,
        }
    },
)
