"""Prefect: its server, runs, schedules and pages."""
