"""Architectures of noisy networks, one a file."""
