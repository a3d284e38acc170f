"""Stage `bounds`: the tidy tables of a sweep, and every theorem held against every measured deviation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from ib_core.laws.source import SOURCES
from tasks.engine.fingerprint import Definition, fingerprint
from tasks.engine.recipe import NOT_IDENTITY, Cost, Recipe
from tasks.points.source import soft_joint
from tasks.store.store import copy_file, identity
from tasks.sweep import collect
from tasks.sweep.activations import Activations
from tasks.sweep.attacks import Attack
from tasks.sweep.bottleneck import bottleneck_table
from tasks.sweep.examples import examples_table
from tasks.sweep.information import Information
from tasks.sweep.laws import Law, Shifts, law_of, weights_of
from tasks.sweep.measures import Measured
from tasks.sweep.networks import Network
from tasks.sweep.schema import shaped
from tasks.sweep.tables import SweepTables, write_tables
from tasks.sweep.theorems import Layers, bounds_table, clean_layers, worst_case_table
from tasks.sweep.worst_case import WorstCase, laws_file

Unit = TypeVar("Unit", bound=Recipe)


@dataclass(frozen=True, eq=False)
class Bounds(Recipe):
    """All tables of a sweep, gathered from what its units found; those that failed are left out.

    Attributes:
        sweep: its name.
        config: its resolved settings, to be shown beside the tables; those that count stand in what is gathered.
        rule: the source of the house whose authors' stochastic label the bottleneck curve has too, if there is one.
        shifts: families and sizes, in the order of the rows.
        laws: by name.
        attacks: laws that see a network, each another one for each of them.
        networks, activations, cells, worst_cases, measures: what is gathered.
        failed: cells without a result.
    """

    stage: ClassVar[str] = "bounds"
    sweep: str
    config: Mapping[str, Any] = field(kw_only=True, metadata=NOT_IDENTITY)
    rule: str | None
    shifts: tuple[Shifts, ...]
    laws: Mapping[str, Law]
    attacks: tuple[Attack, ...]
    networks: tuple[Network, ...]
    activations: tuple[Activations, ...]
    cells: tuple[Information, ...]
    worst_cases: tuple[WorstCase, ...]
    measures: tuple[Measured, ...]
    failed: tuple[collect.Lost, ...] = ()

    @property
    def label(self) -> str:
        return self.sweep

    @property
    def members(self) -> tuple[Definition, ...]:
        return () if self.rule is None else (SOURCES.place(self.rule),)

    @property
    def references(self) -> dict[str, Law]:
        """The law that the others are held against, by the part of the data that it is of."""
        return {law.part.name: law for law in self.laws.values() if law.kind == "reference"}

    def cost(self) -> Cost:
        estimates = sum(len(cell.laws) for cell in self.cells)
        return Cost(1.0 + 6e-3 * estimates, 1e6 + 2e3 * estimates)

    def without(self, lost: frozenset[str]) -> Self:
        if not lost:
            return self
        failed = [cell for cell in self.cells if cell.name in lost]
        unknown = {cell.label for cell in failed}  # the bounds at a ball's radius need the cell's i(x)
        return replace(
            self,
            # Without the reference there is nothing to tell.
            laws={name: law for name, law in self.laws.items() if law.name not in lost or law.kind == "reference"},
            attacks=_left(self.attacks, lost),
            networks=_left(self.networks, lost),
            activations=_left(self.activations, lost),
            cells=_left(self.cells, lost),
            worst_cases=tuple(each for each in _left(self.worst_cases, lost) if each.label not in unknown),
            measures=_left(self.measures, lost),
            failed=(*self.failed, *map(collect.lost, failed)),
        )

    def build(self, out: Path) -> None:
        """Write the tables of `SweepTables`, config.yaml, and the maximising laws under worst_case/."""
        references = {part: law_of(law) for part, law in self.references.items()}
        places = collect.law_places(references, self.shifts)
        laws = collect.laws_table(self.laws, self.attacks, places)
        # Of attacks on several networks those on the last one are shown.
        pictured = {**self.laws, **{attack.key: attack for attack in self.attacks}}
        weights = {name: weights_of(law) for name, law in self.laws.items()}
        weights |= {attack.key: weights_of(attack.reference) for attack in self.attacks}
        code = identity(fingerprint(Information)._asdict())[:12]
        gathered = self.cells, self.failed, self.activations, weights, laws, places
        information = collect.information_table(self.sweep, *gathered, code=code)
        attribution = collect.attribution_table(self.sweep, self.cells, places)
        clean = clean_layers(
            information, collect.pointwise(self.cells), {part: law.weights for part, law in references.items()}
        )
        known = collect.layers_table(self.networks, self.activations)
        layers, first = Layers(known), next(iter(references.values()))
        measured = information, laws, weights, clean, collect.steps(self.cells), attribution
        labels = {part: law.labels for part, law in references.items()}
        tables = SweepTables(
            sweep=self.sweep,
            config=dict(self.config),
            information=information,
            bounds=bounds_table(self.sweep, layers, *measured, labels, collect.read_outs(self.activations)),
            attribution=attribution,
            worst_case=worst_case_table(self.sweep, layers, collect.worst_case(self.worst_cases), clean),
            measures=collect.measures_table(self.sweep, self.measures, places),
            bottleneck=bottleneck_table(first, None if self.rule is None else soft_joint(self.rule)),
            laws=laws,
            examples=examples_table(pictured, places, references),
            history=shaped("history", collect.history_table(self.networks)),
            layers=known,
            signals=collect.signals_table(self.activations, labels),
        )
        write_tables(tables, out)
        for search in self.worst_cases:
            copy_file(laws_file(search), out / "worst_case" / search.law_file)


def _left(units: Iterable[Unit], lost: frozenset[str]) -> tuple[Unit, ...]:
    return tuple(unit for unit in units if unit.name not in lost)
