"""The report of a sweep, made from its tables alone."""
