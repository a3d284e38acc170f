"""What"""


def cost_of(*a, **k): ...
