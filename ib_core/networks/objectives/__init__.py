"""Objectives of training, one a file, each a member of its own name; see `ib_core.networks.objective`."""
