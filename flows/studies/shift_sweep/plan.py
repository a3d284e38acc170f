"""The units of the shift sweep, from its settings."""

import math
from collections.abc import Mapping

from flows.studies.shift_sweep.settings import SweepConfig
from ib_core.laws.family import FAMILIES
from ib_core.laws.source import SOURCES
from tasks.engine.recipe import Recipe
from tasks.sweep.activations import Activations
from tasks.sweep.bounds import Bounds
from tasks.sweep.data import REFERENCE, Law, Shifts, column, law_name
from tasks.sweep.information import Information
from tasks.sweep.measures import Measured
from tasks.sweep.report.report import Report
from tasks.sweep.sampling import Sampling
from tasks.sweep.slices import Slices
from tasks.sweep.training import Training
from tasks.sweep.worst_case import WorstCase

EARLIER = 3.0  # times the standard error of the last checkpoint, at all before it


def sweep_units(config: SweepConfig) -> list[Recipe]:
    """All units of a sweep: for every network and checkpoint the activations under the reference law and under each
    moved one, for each of these a cell for every layer, and for the reference the search for the worst laws."""
    laws = _laws(config)
    networks = [
        _network(config, laws[REFERENCE], beta, seed) for beta in config.network.betas for seed in config.network.seeds
    ]
    activations: list[Activations] = []
    cells: list[Information] = []
    searches: list[WorstCase] = []
    measures: list[Measured] = []
    for network in networks:
        for epoch in network.kept:
            here = _activations(config, network, epoch, laws)
            activations += here
            for layer in range(1, len(network.hidden) + 1):
                cells += [_cell(config, each, here[0], layer, laws) for each in here]
                searches += _searches(config, here[0], layer)
                measures += [
                    Measured(each, layer, _columns(each, laws), name) for each in here for name in config.measures
                ]
    bounds = Bounds(
        sweep=config.name,
        # Where the work runs changes no number.
        config=config.model_dump(exclude={"resources"}),
        device="cuda" if config.resources.gpus else "cpu",
        architecture=config.network.architecture,
        widths=networks[0].widths,
        activation=config.network.activation,
        shifts=tuple(Shifts(shift.family, tuple(shift.sizes)) for shift in config.shifts),
        laws=laws,
        networks=tuple(networks),
        activations=tuple(activations),
        cells=tuple(cells),
        worst_cases=tuple(searches),
        measures=tuple(measures),
    )
    return [
        *dict.fromkeys(laws.values()),
        *networks,
        *activations,
        *cells,
        *measures,
        *searches,
        bounds,
        Report(bounds),
    ]


def _laws(config: SweepConfig) -> dict[str, Law]:
    """Every law by its name; size 0 of a family is the reference itself."""
    reference = Law(config.data.source)
    laws = {REFERENCE: reference}
    for shift in config.shifts:
        given = {key: column(value) if isinstance(value, str) else value for key, value in shift.parameters.items()}
        for size in shift.sizes:
            law = Law(config.data.source, shift.family, size, given) if size > 0 else reference
            laws[law_name(shift.family, size)] = law
    return laws


def _network(config: SweepConfig, law: Law, beta: float, seed: int) -> Training:
    found = SOURCES.find(config.data.source)
    widths = (found.n_inputs, *config.network.widths, found.n_classes)
    return Training(
        law, config.network.architecture, widths, config.network.activation, beta, seed, **config.training.model_dump()
    )


def _activations(config: SweepConfig, network: Training, epoch: int, laws: Mapping[str, Law]) -> list[Activations]:
    """Those of the reference first; moved laws have atoms of their own, perhaps at the last checkpoint alone."""
    only_last = {shift.family for shift in config.shifts if shift.epochs == "last"}
    if epoch == network.kept[-1]:
        only_last = set()
    moved = [law for law in laws.values() if law.kind == "moved" and law.family not in only_last]
    passes = config.estimator.stored_passes
    return [Activations(network, law, epoch, passes) for law in (laws[REFERENCE], *moved)]


def _cell(
    config: SweepConfig, activations: Activations, reference: Activations, layer: int, laws: Mapping[str, Law]
) -> Information:
    sampling, estimator = _sampling(config, activations), config.estimator
    draws = 2
    if activations is reference:
        draws = max(2, math.ceil(estimator.pointwise_draws / sampling.relaxed**2))
    slices = Slices(estimator.slices.kind, estimator.slices.k, estimator.slices.count)
    return Information(activations, layer, _columns(activations, laws), reference, sampling, draws, slices)


def _columns(activations: Activations, laws: Mapping[str, Law]) -> dict[str, Law]:
    """Laws on the same atoms are weight columns of one cell."""
    if activations.law.kind == "moved":
        return {activations.law.label: activations.law}
    return {name: law for name, law in laws.items() if law.kind == "reweighted" or name == REFERENCE}


def _searches(config: SweepConfig, reference: Activations, layer: int) -> list[WorstCase]:
    """The search of one layer, if there is anything to search at this checkpoint."""
    radii = {metric: _radii(config, metric) for metric in ("tv", "kl")}
    if not any(radii.values()) or (config.worst_case.epochs == "last" and not _is_last(reference)):
        return []
    return [WorstCase(reference, layer, radii["tv"], radii["kl"], _sampling(config, reference))]


def _radii(config: SweepConfig, metric: str) -> tuple[float, ...]:
    """Radii of the balls of laws: those of the settings, or the sizes of the shifts in this metric."""
    chosen = getattr(config.worst_case, metric)
    if chosen is not None:
        return tuple(chosen)
    sizes = {size for shift in config.shifts if FAMILIES.find(shift.family).metric == metric for size in shift.sizes}
    return tuple(sorted(sizes - {0.0}))


def _sampling(config: SweepConfig, activations: Activations) -> Sampling:
    estimator = config.estimator
    given = estimator.model_dump(include={"own_passes", "confidence", "target_stderr", "max_draws", "seed"})
    # A GPU changes the last digits, so what it made is a result of its own.
    device = "cuda" if config.resources.gpus else None
    return Sampling(**given, relaxed=1.0 if _is_last(activations) else EARLIER, device=device)


def _is_last(activations: Activations) -> bool:
    return activations.epoch == activations.network.kept[-1]
