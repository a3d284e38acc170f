"""Kernel sums on a CUDA card: products, exponentials, sums over passes and weights of laws, all in registers."""
