"""How every study runs, whatever it consists of."""
