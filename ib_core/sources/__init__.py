"""Data sources, one a file, each a member of its own name; see `Source`."""
