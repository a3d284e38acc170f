"""What MLflow shows of a calibration, from its stored results."""

from collections.abc import Mapping
from typing import Any

from tasks.calibration.bracket import Bracket
from tasks.calibration.tables import Tables, load_calibration
from tasks.calibration.tracking import CalibrationRecord
from tasks.tracking.record import Span


def calibration_record(tables: Tables, *, made: Mapping[str, Span], **common: Any) -> CalibrationRecord:
    """The calibration with its tables."""
    spans: dict[tuple[str, str, float, int], list[Span]] = {}
    for case in tables.cases:
        if isinstance(case, Bracket):
            key = ("sampled" if case.sampled else "bracket", "chain", case.beta, case.d)
        else:
            key = ("entropy", case.law, case.beta, case.d)
        spans.setdefault(key, []).extend([made[case.name]] if case.name in made else [])
    whole = {key: span for key, found in spans.items() if (span := Span.over(found))}
    return CalibrationRecord(tables=load_calibration(tables.result.folder), spans=whole, made=made, **common)
