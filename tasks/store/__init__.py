"""Results on disk: published whole, verified when read."""
