"""Random numbers of a device: counter-based, each a function of its key and its place."""
