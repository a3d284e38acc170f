# %% [markdown]
# # ibshift in a notebook
#
# This page is the output of [`docs/notebook.py`](notebook.py), a plain script in cells; `python docs/render.py` runs it
# and writes the page again. It takes less than a minute and downloads nothing.
#
# A small network learns three interleaved spirals. How much do its layers know of the input, and how does that change
# when the law of the input shifts?

# %%
import numpy as np
import torch
from torch import nn

import ibshift
from ib_core.sources.spiral import spiral

points = spiral.points()
x, y = points.x[10::20].astype(np.float32), points.y[10::20]  # 150 points in the plane, three classes
x.shape, np.bincount(y)

# %% [markdown]
# Any torch module will do. This one has a residual block and batch norm; it is trained as usual, but with
# `ibshift.noisy` around it, so that it learns to live with noise on three of its layers.


# %%
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear, self.act = nn.Linear(width, width), nn.Tanh()

    def forward(self, x):
        return x + self.act(self.linear(x))


torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), Block(16), nn.Linear(16, 3), nn.Tanh(), nn.Linear(3, 3)
)
names = ["2", "3.act", "5"]

inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
with ibshift.noisy(model, names, beta=0.2, seed=0):
    for _ in range(600):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimiser.step()

# %% [markdown]
# Which modules are there, and which of them can be noised?

# %%
ibshift.layers(model, x)[["kind", "shape", "half_width", "problem", "suggested"]]

# %% [markdown]
# Laws are given by name: weights of the inputs, inputs that are moved, or a family of shifts with its size. The first
# row of every layer is the law of `x` itself, and changes are held against it.

# %%
found = ibshift.measure(
    model,
    x,
    y=y,
    layers=names,
    beta=0.2,
    laws={
        "one class twice": np.where(y == 0, 2, 1),
        "contaminated": ("contamination", 0.1, {"atom": 0}),
        "half as large": x / 2,
    },
    quiet=True,
)
found

# %% [markdown]
# Every number lies between two ends, three standard errors included: a layer knows this much of which of the 150
# inputs it was, and this much of its class. A change is *clear* where its own bracket excludes 0. Around the activation
# of the residual block goes a connection that carries no noise, so that later layers may know more than it does: it is
# said that it is no cut.

# %%
found.plot()

# %%
found.layers[["shape", "noise", "half_width", "capacity", "cut", "lipschitz"]]

# %% [markdown]
# All numbers stand in `found.table`, a pandas DataFrame.

# %%
found.table[["layer", "law", "low", "high", "stderr", "saturation", "clear"]].round(3)

# %% [markdown]
# Signals that are at hand as arrays need no model. Four inputs in two pairs, which noise of .1 does not confuse, say
# one of their two bits: ln 2 = .693 nats.

# %%
pairs = ibshift.information([[-1.0], [-1.0], [1.0], [1.0]], beta=0.1)
print(f"{pairs.bracket[0]:.3f} to {pairs.bracket[1]:.3f} nats, {pairs.saturation:.2f} of H(X)")
