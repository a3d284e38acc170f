"""Sweeps and deployments that come with ibshift."""
