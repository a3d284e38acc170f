"""Families of shifts, one a file, each entered under its own name; see `ib_core.laws.family`."""
