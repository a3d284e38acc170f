"""How results are made: recipes, their identity, and the workers."""
