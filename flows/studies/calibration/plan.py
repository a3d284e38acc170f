"""The units of the calibration, from its settings."""

from itertools import product

from flows.studies.calibration.settings import CalibrationConfig, Chain
from tasks.calibration.bracket import Bracket
from tasks.calibration.report import Report
from tasks.calibration.risk import Risk
from tasks.calibration.tables import Tables
from tasks.engine.recipe import Recipe


def calibration_units(config: CalibrationConfig) -> list[Recipe]:
    """All units of a calibration: one for each case, with its replications, then tables and report."""
    risks = [
        _risk(config, law.law, beta, d, n)
        for law in config.entropy.laws
        for beta, d, n in product(law.betas, config.entropy.dimensions, config.entropy.samples)
    ]
    chain = config.chain
    brackets = _brackets(chain, config.seed) if chain else []
    tables = Tables(
        calibration=config.name,
        # Where the work runs changes no number.
        config=config.model_dump(exclude={"resources"}),
        levels=tuple(config.entropy.levels),
        fit_from={"entropy": config.entropy.fit_from, "bracket": chain.fit_from if chain else 0},
        n_values=len(chain.inputs) if chain else 0,
        cases=(*risks, *brackets),
    )
    return [*risks, *brackets, tables, Report(tables)]


def _risk(config: CalibrationConfig, law: str, beta: float, d: int, n: int) -> Risk:
    entropy = config.entropy
    target = entropy.relative_stderr / n**0.5
    return Risk(law, beta, d, n, entropy.replications, target, entropy.max_draws, config.seed)


def _brackets(chain: Chain, seed: int) -> list[Bracket]:
    return [
        _bracket(chain, seed, beta, d, passes, sampled)
        for beta, d in product(chain.betas, chain.dimensions)
        for passes, sampled in [*((passes, None) for passes in chain.passes), *((n, n) for n in chain.sampled)]
    ]


def _bracket(chain: Chain, seed: int, beta: float, d: int, passes: int, sampled: int | None) -> Bracket:
    given = chain.model_dump(include={"fresh_passes", "replications", "target_stderr", "max_draws"})
    return Bracket(
        values=tuple(chain.inputs),
        slopes=tuple(chain.slopes),
        offsets=tuple(chain.offsets),
        beta=beta,
        d=d,
        passes=passes,
        sampled=sampled,
        seed=seed,
        **given,
    )
