"""The shift sweep: how does the information in each layer react when the input law shifts?"""

from flows.settings.study import Make, Study
from flows.studies.shift_sweep.plan import sweep_units
from flows.studies.shift_sweep.record import sweep_record
from flows.studies.shift_sweep.settings import SweepConfig
from flows.studies.shift_sweep.told import told
from tasks.sweep.activations import Activations
from tasks.sweep.attacks import Attack
from tasks.sweep.bounds import Bounds
from tasks.sweep.data import DataSet
from tasks.sweep.information import Information
from tasks.sweep.laws import Reference, Shifted
from tasks.sweep.measures import Measured
from tasks.sweep.report.report import Report
from tasks.sweep.training import Training
from tasks.sweep.worst_case import WorstCase


def body(make: Make) -> None:
    """From the input law to the report."""
    make(DataSet)  # the points
    make(Reference)  # the law of those that are measured
    make(Shifted)  # its shifts, with their distances from it
    make(Training)  # one for each beta and seed, trained here or given, with checkpoints
    make(Attack)  # laws that see a network
    make(Activations)  # signals of every layer at every checkpoint
    make(Information)  # I(X;T_l) under all laws, cell by cell: the bulk of the work
    make(Measured)  # what else the settings ask of a layer
    make(WorstCase)  # the laws in a ball that move it most
    make(Bounds)  # the tables: every theorem beside every change
    make(Report)


shift_sweep = Study(
    description="how the information in each layer reacts when the input law shifts",
    settings=SweepConfig,
    units=sweep_units,
    body=body,
    cells=Information,
    shown=(Bounds, Report),
    record=sweep_record,
    told=told,
)
