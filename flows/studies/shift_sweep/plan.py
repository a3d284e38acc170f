"""The units of the shift sweep, from its settings."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from flows.studies.shift_sweep.resolved import Kind, Resolved
from flows.studies.shift_sweep.settings import Shifts as ShiftSettings
from flows.studies.shift_sweep.settings import SweepConfig
from ib_core.laws.family import FAMILIES
from ib_core.laws.source import SOURCES
from tasks.engine.device import CARD
from tasks.engine.recipe import Recipe
from tasks.sweep.activations import Activations
from tasks.sweep.attacks import Attack
from tasks.sweep.bounds import Bounds
from tasks.sweep.data import Part
from tasks.sweep.information import Information
from tasks.sweep.laws import Law, Reference, Shifted, Shifts, column, is_column, law_name, name_in
from tasks.sweep.measures import Measured
from tasks.sweep.networks import Network
from tasks.sweep.pretrained import Pretrained
from tasks.sweep.report.report import Report
from tasks.sweep.sampling import Sampling
from tasks.sweep.slices import Slices
from tasks.sweep.training import Schedule, Training, TrainingShift
from tasks.sweep.worst_case import WorstCase

LARGE = (
    1e6  # products of one pass from which on a network is trained and propagated on the card, where one is asked for
)
EARLIER = 3.0  # times the standard error of the last checkpoint, at all before it


def sweep_units(config: SweepConfig) -> list[Recipe]:
    """All units of a sweep: for every network and checkpoint the activations under the reference law of each part and
    under each moved one, for each of these a cell for every layer, and for the reference the search for the worst laws.
    """
    found = config.resolved
    by_part = {name: _laws(config, found, part, len(rows)) for name, (part, rows) in found.parts.items()}
    laws = {name: law for part_laws in by_part.values() for name, law in part_laws.items()}
    networks = [
        _network(config, found, kind, beta, seed)
        for kind in found.networks
        for beta in kind.settings.betas
        for seed in kind.settings.seeds
    ]
    attacks: list[Attack] = []
    activations: list[Activations] = []
    cells: list[Information] = []
    searches: list[WorstCase] = []
    measures: list[Measured] = []
    for network in networks:
        for epoch in network.kept:
            for part_laws in by_part.values():
                against = _attacks(config, network, epoch, part_laws)
                attacks += against
                here = _activations(config, network, epoch, part_laws, against)
                activations += here
                for layer in range(1, len(network.hidden) + 1):
                    cells += [_cell(config, each, here[0], layer, part_laws) for each in here]
                    if not here[0].is_wide(layer):
                        searches += _searches(config, here[0], layer)
                    asked = [
                        Measured(each, layer, _columns(each, part_laws), name)
                        for each in here
                        for name in config.measures
                    ]
                    measures += [measured for measured in asked if measured.possible]
    bounds = Bounds(
        sweep=config.name,
        # Where the work runs changes no number.
        config=config.model_dump(exclude={"resources"}),
        rule=_rule(config, found),
        shifts=tuple(Shifts(shift.family, tuple(shift.sizes), shift.metric) for shift in config.shifts),
        laws=laws,
        attacks=tuple(attacks),
        networks=tuple(networks),
        activations=tuple(activations),
        cells=tuple(cells),
        worst_cases=tuple(searches),
        measures=tuple(measures),
    )
    return [
        found.data,
        *dict.fromkeys(laws.values()),
        *networks,
        *attacks,
        *activations,
        *cells,
        *measures,
        *searches,
        bounds,
        Report(bounds),
    ]


def _rule(config: SweepConfig, found: Resolved) -> str | None:
    """The source whose authors' stochastic label is known for the atoms that are measured."""
    source = config.data.source
    whole = all(part.name == "all" and part.atoms is None for part, _ in found.parts.values())
    whole = whole and config.data.shuffle_labels is None
    return source if source in SOURCES.names and SOURCES.find(source).soft_joint is not None and whole else None


def _laws(config: SweepConfig, found: Resolved, part: Part, n_atoms: int) -> dict[str, Law]:
    """Every law of a part by its name; size 0 of a family is the reference itself."""
    atoms = part, n_atoms, found.data.shape
    reference = Reference(*atoms, found.data)
    laws: dict[str, Law] = {reference.key: reference}
    for shift in config.shifts:
        sees_network = FAMILIES.find(shift.family).sees_network
        for size in shift.sizes:
            if size == 0:
                laws[name_in(part.name, law_name(shift.family, size))] = reference
            elif not sees_network:
                law = Shifted(*atoms, reference, shift.family, size, shift.metric, _given(shift))
                laws[law.key] = law
    return laws


def _given(shift: ShiftSettings) -> dict[str, Any]:
    """Parameters of a family, with what stands in files."""
    return {name: column(value) if is_column(value) else value for name, value in shift.parameters.items()}


def _attacks(config: SweepConfig, network: Network, epoch: int, laws: Mapping[str, Law]) -> list[Attack]:
    """Laws that see this checkpoint."""
    reference = next(iter(laws.values()))
    assert isinstance(reference, Reference)  # which stands first
    atoms = reference.part, reference.n_atoms, reference.shape
    return [
        Attack(*atoms, reference, shift.family, size, shift.metric, _given(shift), network, epoch)
        for shift in config.shifts
        if FAMILIES.find(shift.family).sees_network and (shift.epochs == "all" or epoch == network.last)
        for size in shift.sizes
        if size > 0
    ]


def _device(config: SweepConfig, products: int) -> str | None:
    """Where passes of a network with so many products are made; a small one would not fill a card."""
    return CARD if config.resources.gpus and products >= LARGE else None


def _network(config: SweepConfig, found: Resolved, kind: Kind, beta: float, seed: int) -> Network:
    made = found.data, kind.design, beta, kind.settings.noise, seed
    several = len(found.networks) > 1
    split = found.split(kind, seed)
    if kind.training is None:
        return Pretrained(*made, kind.weights, split, title=kind.title, among_others=several)
    assert split is not None  # known wherever there is training
    shift = None if kind.training.shift is None else TrainingShift(**kind.training.shift.model_dump())
    schedule = Schedule(**kind.training.model_dump(exclude={"train_fraction", "shift"}), shift=shift)
    device = _device(config, kind.design.products[-1])
    return Training(*made, split, schedule, device, title=kind.title, among_others=several)


def _activations(
    config: SweepConfig, network: Network, epoch: int, laws: Mapping[str, Law], attacks: Iterable[Attack]
) -> list[Activations]:
    """Those of the reference first; moved laws have atoms of their own, perhaps at the last checkpoint alone."""
    only_last = {shift.family for shift in config.shifts if shift.epochs == "last"}
    if epoch == network.last:
        only_last = set()
    reference, *shifted = dict.fromkeys(laws.values())
    moved = [law for law in shifted if isinstance(law, Shifted) and law.kind == "moved" and law.family not in only_last]
    device = _device(config, network.design.products[-1])
    sampled = config.estimator.stored_passes, config.estimator.widest, device
    return [Activations(network, law, epoch, *sampled) for law in (reference, *moved, *attacks)]


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
        return {activations.law.key: activations.law}
    on_atoms = {name: law for name, law in laws.items() if law.kind == "reweighted"}
    return {activations.law.key: activations.law} | on_atoms


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
    device = CARD if config.resources.gpus else None
    return Sampling(**given, relaxed=1.0 if _is_last(activations) else EARLIER, device=device)


def _is_last(activations: Activations) -> bool:
    return activations.epoch == activations.network.last
