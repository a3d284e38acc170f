"""The calibration: how far are the estimates from closed forms, and what do the theorems allow?"""

from flows.settings.study import Make, Study
from flows.studies.calibration.plan import calibration_units
from flows.studies.calibration.record import calibration_record
from flows.studies.calibration.settings import CalibrationConfig
from flows.studies.calibration.told import told
from tasks.calibration.bracket import Bracket
from tasks.calibration.report import Report
from tasks.calibration.risk import Risk
from tasks.calibration.tables import Tables


def body(make: Make) -> None:
    """From laws whose truth is known to the report."""
    make(Risk)  # the plug-in entropy of n samples against the truth
    make(Bracket)  # both ends of the bracket on chains of neurons
    make(Tables)  # errors, the bounds on them, and their exponents
    make(Report)


calibration = Study(
    description="the estimator against closed forms",
    settings=CalibrationConfig,
    units=calibration_units,
    body=body,
    cells=Risk,
    shown=(Tables, Report),
    record=calibration_record,
    told=told,
)
