"""What MLflow shows of a calibration, from its stored results."""

from typing import Any

from tasks.calibration.tables import Tables, load_calibration
from tasks.calibration.tracking import CalibrationRecord


def calibration_record(tables: Tables, **common: Any) -> CalibrationRecord:
    """The calibration with its tables."""
    return CalibrationRecord(tables=load_calibration(tables.result.folder), **common)
