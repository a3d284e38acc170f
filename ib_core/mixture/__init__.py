"""Densities of Gaussian mixtures: the kernel, its backends, quadrature and sampling."""

from ib_core.mixture.density import log_density

__all__ = ["log_density"]
