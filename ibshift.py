"""How much the layers of a noisy network know of its input, under shifts of the law of the input.

    import ibshift

    ibshift.layers(model, x)                                   # what can be measured
    found = ibshift.measure(model, x, layers=["act1", "act2"], beta=0.1, laws={"rotated": ("rotation", 10.0)})
    found.table, found.layers, found.plot()
    ibshift.information(signals, beta=0.1)                     # of arrays alone
    with ibshift.noisy(model, ["act1", "act2"], beta=0.1):     # the noise alone
        model(x)

All information is in nats; `beta` is a standard deviation.
"""

from ib_core.networks.hooks import NetworkError
from ib_core.networks.noisy import noisy
from tasks.api.measure import measure
from tasks.api.measurement import Measurement
from tasks.api.modules import layers
from tasks.api.signals import information
from tasks.points.weights import load_weights

__all__ = ["Measurement", "NetworkError", "information", "layers", "load_weights", "measure", "noisy"]
