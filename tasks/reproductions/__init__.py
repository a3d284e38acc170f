"""Studies of the literature, one a file: their claims, held against the results of sweeps."""
