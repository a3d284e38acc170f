"""Stages, store and workers of ibshift: files in, files out."""
