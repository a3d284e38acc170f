"""What a study is: one declaration of its settings, its results, their order, and what MLflow shows of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flows.settings.settings import ConfigError, StudyConfig, shown
from ib_core.members import Registry
from tasks.engine.recipe import Recipe
from tasks.tracking.record import StudyRecord

Make = Callable[[type[Recipe]], None]


@dataclass(frozen=True)
class Study:
    """One kind of study, as a settings file names it under `study`.

    Attributes:
        description: one line for people.
        settings: the type of its settings.
        units: every result that the settings ask for, inputs before what is made from them.
        body: makes one stage after the other; read it as the table of contents.
        cells: the stage that holds the bulk of the work.
        shown: the stages whose files people find in the sweep's folder: the tables first, the report last.
        told: names and figures of one stored result, for `ibshift why`; called within `reading`.
        record: what MLflow shows, from the tables' recipe and what `tasks.tracking.record.StudyRecord` takes by name.
    """

    description: str
    settings: type[StudyConfig]
    units: Callable[[Any], Iterable[Recipe]]
    body: Callable[[Make], None]
    cells: type[Recipe]
    shown: tuple[type[Recipe], ...]
    record: Callable[..., StudyRecord]
    told: Callable[[Recipe], Iterable[tuple[str, str]]] = lambda unit: ()

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages in the order in which its body makes them."""
        found: list[str] = []
        self.body(lambda kind: found.append(kind.stage))
        return tuple(found)


STUDIES = Registry("flows.studies", Study)


def study_named(name: Any, setting: str = "study") -> Study:
    """A study by its name, or one of a user's own module by `module.name`.

    Raises:
        ConfigError: there is none; `setting` says where the name stands.
    """
    try:
        return STUDIES.find(name if isinstance(name, str) else "")
    except (KeyError, TypeError) as error:
        found = error.args[0] if isinstance(name, str) else f"{STUDIES.choice}, got {shown(name)}"
        raise ConfigError(f"{setting} must be {found}") from error


def entrypoint(name: str) -> str:
    """The Prefect flow of a study, as `package.module.function`: those that come with ibshift bear its name."""
    return f"flows.{name}.{name}" if name in STUDIES.names else "flows.own_study.own_study"
