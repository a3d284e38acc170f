def relative_levels(module, layers, x, beta):
    raise NotImplementedError
