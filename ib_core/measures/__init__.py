"""Measures of a layer beside its information, one a file."""
