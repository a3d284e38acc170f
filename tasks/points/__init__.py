"""Data sets in the forms in which users have them, each read into `ib_core.laws.points.Points`."""
