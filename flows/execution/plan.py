"""From settings to units: what a study consists of, what of it is stored, and why the rest is not."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.execution.results import previous_index
from flows.settings.settings import StudyConfig
from flows.settings.study import Study, study_named
from tasks.engine.make import failure
from tasks.engine.recipe import Recipe
from tasks.store.store import Damaged, Store


@dataclass(frozen=True)
class Plan:
    """The units of a study by stage, in the order in which they can be made."""

    config: StudyConfig
    stages: dict[str, list[Recipe]]

    @property
    def study(self) -> Study:
        return study_named(self.config.study)

    @property
    def shown(self) -> list[Recipe]:
        """The units whose files people find in the sweep's folder: the tables first, the report last."""
        return [unit for kind in self.study.shown for unit in self.stages[kind.stage]]

    def without(self, lost: Iterable[str]) -> "Plan":
        """The plan with units that failed (`Recipe.name`) left out of the tables, as `--keep-going` does."""
        absent = frozenset(lost)
        left = {stage: [unit.without(absent) for unit in units] for stage, units in self.stages.items()}
        return Plan(self.config, left)

    def __iter__(self) -> Iterator[Recipe]:
        for units in self.stages.values():
            yield from units

    def index(self) -> dict[str, dict[str, str]]:
        """Identity by stage and label: what the next plan compares itself with."""
        return {stage: {unit.label: unit.identity for unit in units} for stage, units in self.stages.items()}


@dataclass(frozen=True)
class State:
    """What the store knows of a unit: "ready", or "missing", "stale", "failed", "damaged" and why."""

    unit: Recipe
    state: str
    reason: str = ""


def build_plan(config: StudyConfig) -> Plan:
    """All units that the settings ask for."""
    study = study_named(config.study)
    stages: dict[str, list[Recipe]] = {stage: [] for stage in study.stages}
    for unit in study.units(config):
        stages[unit.stage].append(unit)
    return Plan(config, stages)


def survey(plan: Plan, store: Store) -> list[State]:
    """The state of every unit, from directory listings and, where something is missing, from what was there before."""
    published = {stage: store.published(stage) for stage in plan.stages}
    before = previous_index(store, plan.config)
    states = []
    for unit in plan:
        result = store.get(unit.stage, unit.identity) if unit.identity in published[unit.stage] else None
        if result:
            whole = result.looks_whole()
            states.append(State(unit, "ready") if whole else State(unit, "damaged", "a file is missing or cut short"))
            continue
        failed = failure(store, unit.identity)
        old = before.get(unit.stage, {}).get(unit.label)
        if failed:
            states.append(State(unit, "failed", failed.message))
        elif old is None or old == unit.identity:
            states.append(State(unit, "missing", "never made" if old is None else "made before, no longer stored"))
        else:
            states.append(State(unit, "stale", why_stale(unit, old, store)))
    return states


def why_stale(unit: Recipe, old: str, store: Store) -> str:
    """What differs between a unit and the result that stood in its place before, or between their inputs."""
    result = store.get(unit.stage, old)
    if result is None:
        return "made before from other settings, no longer stored"
    try:
        before, now = result.manifest["recipe"], unit.document
    except Damaged:
        return "made before from other settings, damaged since"
    reasons = _changed_settings(before["settings"], now["settings"])
    files = {**before["code"], **now["code"]}
    reasons += [f"code {name} changed" for name in files if before["code"].get(name) != now["code"].get(name)]
    earlier, later = before.get("libraries", {}), now["libraries"]
    for name in {**earlier, **later}:
        if earlier.get(name) != later.get(name):
            reasons.append(f"{name} {earlier.get(name, 'not used')} -> {later.get(name, 'not used')}")
    if not reasons:
        for name, source in unit.inputs.items():
            earlier = before["inputs"].get(name)
            if earlier is None:
                reasons.append(f"{name} is new")
            elif earlier != source.identity:
                reasons.append(f"{name}: {why_stale(source, earlier, store)}")
        reasons += [f"{name} is gone" for name in before["inputs"] if name not in unit.inputs]
    counted = Counter(reason.split(": ")[-1] for reason in reasons)
    return "; ".join(list(counted)[:3]) or "made from other inputs"


def _changed_settings(before: Any, now: Any, place: str = "") -> list[str]:
    """Dotted names of the settings that differ, with both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*now, *(key for key in before if key not in now)]
        changes = [_changed_settings(before.get(key), now.get(key), f"{place}.{key}" if place else key) for key in keys]
        return [change for part in changes for change in part]
    return [] if before == now else [f"setting {place} {json.dumps(before)} -> {json.dumps(now)}"]
