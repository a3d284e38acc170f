def check(module, layers, x, classes=None):
    pass
