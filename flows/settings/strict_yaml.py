"""YAML of which every value is what stands there: the strict reader of sweep files and of `--set`.

YAML 1.1 reads `yes` as true, `1:30` as 90, `010` as 8 and `2024-01-01` as a date, and lets the last of two equal keys
win. Here a plain word is a number only if it is a decimal one, true, false or null as in JSON, and text otherwise;
quoted words are text. What could stand for something else than it shows (anchors, tags, `<<`, doubled keys) is refused.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from flows.settings.settings import ConfigError

WORDS: dict[str, bool | None] = {"": None, "~": None}
WORDS |= dict.fromkeys(("null", "Null", "NULL"))
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,400})")
DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
DEEPEST = 20  # no setting lies deeper than six


def read_yaml(text: str, source: str) -> Any:
    """The value of one YAML document.

    Args:
        text: the document.
        source: what an error calls it; the number of the line follows where there are several.

    Raises:
        ConfigError: one line that names the place and what is wrong.
    """
    return _Reader(text, source).document()


class _Reader:
    """One pass over the events of a document."""

    def __init__(self, text: str, source: str) -> None:
        self.source, self.numbered = source, "\n" in text.strip()
        self.text = text

    def document(self) -> Any:
        try:
            self.events: Iterator[Any] = iter(yaml.parse(self.text, Loader=yaml.SafeLoader))
            next(self.events)
            if isinstance(next(self.events), yaml.StreamEndEvent):
                return None
            value = self._value(next(self.events), ())
            next(self.events)
            if not isinstance(another := next(self.events), yaml.StreamEndEvent):
                self._refuse(another, (), "must be one document, found a second one")
            return value
        except yaml.reader.ReaderError as error:
            raise ConfigError(f"{self.source}: not YAML: character {chr(error.character)!r} is not allowed") from error
        except yaml.MarkedYAMLError as error:
            place = self._place(error.problem_mark.line) if error.problem_mark else self.source
            raise ConfigError(f"{place}: not YAML: {error.problem or error.context}") from error

    def _value(self, event: Any, path: tuple[str, ...]) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._refuse(event, path, f"must be written out, got the anchor or alias {event.anchor}")
        if event.tag is not None:
            self._refuse(
                event, path, f"must be a value without a tag, got {event.tag.replace('tag:yaml.org,2002:', '!!')}"
            )
        if len(path) > DEEPEST:
            self._refuse(event, path[:3], "must not be nested so deeply")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                items.append(self._value(item, (*path, str(len(items)))))
            return items
        plain = event.implicit[0]
        return self._word(event, path) if plain else event.value

    def _mapping(self, path: tuple[str, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.anchor is not None or key.tag is not None:
                self._refuse(key, path, "the names of settings must be plain words")
            name, here = key.value, (*path, key.value)
            if name == "<<" and key.implicit[0]:
                self._refuse(key, path, "must be written out, got the merge key <<")
            if name in values:
                first = f", first in line {lines[name]}" if self.numbered else ""
                self._refuse(key, here, f"must be given once, is given twice{first}")
            lines[name] = key.start_mark.line + 1
            values[name] = self._value(next(self.events), here)
        return values

    def _word(self, event: Any, path: tuple[str, ...]) -> Any:
        """A plain scalar: a decimal number, true, false, null, or the text that stands there."""
        text = event.value
        if text in WORDS:
            return WORDS[text]
        if WHOLE.fullmatch(text):
            return int(text)
        if INFINITE.fullmatch(text):
            return float(text.replace(".", ""))
        if not DECIMAL.fullmatch(text) or text.lstrip("+-").isdecimal():
            return text
        value = float(text)
        if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
            self._refuse(event, path, f"must be a number that float64 can hold, got {text}")
        return value

    def _refuse(self, event: Any, path: tuple[str, ...], problem: str) -> NoReturn:
        setting = f"{'.'.join(path)}: " if path else ""
        raise ConfigError(f"{self._place(event.start_mark.line)}: {setting}{problem}")

    def _place(self, line: int) -> str:
        return f"{self.source}:{line + 1}" if self.numbered else self.source
