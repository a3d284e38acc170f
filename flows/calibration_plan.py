"""The units of the calibration: risk, bracket -> scaling (tables) -> calibration (report)."""

from itertools import product
from typing import Any

from flows.calibration_config import CalibrationConfig
from flows.settings import draws_to_reach
from tasks.unit import Unit

STAGES = ("risk", "bracket", "scaling", "calibration")

# Rough, measured on two shared cores: for the plan's estimate and nothing else.
SECONDS_PER_PAIR = 0.2e-9  # one (point, centre) pair of the mixture kernel
SECONDS_PER_NEAR_PAIR = 0.6e-9  # likewise where no centre is far away
SECONDS_PER_DRAW = 0.3e-6
SECONDS_PER_ENTROPY = 1e-3
SECONDS_PER_LAYER = 20e-3  # what a call of `layer_information` takes at least


def calibration_units(config: CalibrationConfig, lost: frozenset[str]) -> dict[str, list[Unit]]:
    """All units of a calibration: one for each case, with its replications; those that failed before are left out."""
    risks = [
        _risk(config, law.law, beta, d, n)
        for law in config.entropy.laws
        for beta, d, n in product(law.betas, config.entropy.dimensions, config.entropy.samples)
    ]
    chain = config.chain
    brackets = [
        _bracket(config, beta, d, passes, sampled)
        for beta, d in product(chain.betas, chain.dimensions)
        for passes, sampled in [*((passes, None) for passes in chain.passes), *((n, n) for n in chain.sampled)]
    ]
    cases = {unit.label: unit for unit in [*risks, *brackets]}
    whole = {label: unit for label, unit in cases.items() if f"{unit.stage} {label}" not in lost}
    settings = {
        # Where the work runs changes no number.
        "config": config.model_dump(exclude={"resources"}),
        "cases": {label: {"stage": unit.stage, **unit.settings} for label, unit in cases.items()},
    }
    tables = Unit("scaling", config.name, settings, whole, cost=5.0, size=2e6)
    report = Unit("calibration", config.name, {}, {"tables": tables}, cost=8.0, size=3e6)
    return dict(zip(STAGES, (risks, brackets, [tables], [report]), strict=True))


def _risk(config: CalibrationConfig, law: str, beta: float, d: int, n: int) -> Unit:
    entropy = config.entropy
    target = entropy.relative_stderr / n**0.5
    settings: dict[str, Any] = {
        **{"law": law, "beta": beta, "d": d, "n": n, "replications": entropy.replications},
        **{"target_stderr": target, "max_draws": entropy.max_draws, "seed": config.seed},
    }
    draws = 0.0 if d <= 2 else 0.5 * d * draws_to_reach(target, 2 * entropy.max_draws / d)
    cost = entropy.replications * (2e-3 + draws * (SECONDS_PER_DRAW + n * SECONDS_PER_PAIR))
    return Unit("risk", f"{law}/b{beta!r}/d{d}/n{n}", settings, cost=cost, size=3e3)


def _bracket(config: CalibrationConfig, beta: float, d: int, passes: int, sampled: int | None) -> Unit:
    chain = config.chain
    given = ("inputs", "slopes", "offsets", "fresh_passes", "replications", "target_stderr", "max_draws")
    settings: dict[str, Any] = {
        **{"beta": beta, "d": d, "passes": passes, "sampled": sampled, "seed": config.seed},
        **{name: getattr(chain, name) for name in given},
    }
    atoms = sampled or len(chain.inputs) ** d
    draws = 0.0 if d <= 3 else 0.5 * d * draws_to_reach(chain.target_stderr, 2 * chain.max_draws / d)
    points = draws + (0 if sampled else atoms * (2 * chain.fresh_passes + passes))
    cost = chain.replications * (
        (0.0 if sampled else SECONDS_PER_LAYER)
        + (atoms + 1) * SECONDS_PER_ENTROPY
        + points * (SECONDS_PER_DRAW + atoms * passes * SECONDS_PER_NEAR_PAIR)
    )
    label = f"chain/b{beta!r}/d{d}/" + (f"sampled{sampled}" if sampled else f"x{passes}")
    return Unit("bracket", label, settings, cost=cost, size=3e3)
