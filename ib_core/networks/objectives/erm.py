"""Empirical risk minimisation."""

from ib_core.networks.objective import Objective

erm = Objective()
