"""Data sets and weights in the forms in which users have them, read into what `ib_core` takes."""
