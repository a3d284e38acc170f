"""The family `adversarial`."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ib_core.laws.family import Shift, family
from ib_core.laws.images import pixel_range
from ib_core.laws.input_law import InputLaw
from ib_core.laws.steps import check_step
from ib_core.laws.wasserstein import largest_step
from ib_core.streams import stream

# Atoms that are moved at a time; their noise depends on the block, not on how many blocks there are.
BLOCK = 512
# A step is this share of the size over the number of steps: the surface of the ball is reached, and walked along.
STRIDE = 2.5

Norm = Literal["l2", "linf"]


def _check(
    law: InputLaw, size: float, network: object = None, steps: int = 20, passes: int = 4, norm: str = "l2", **_: object
) -> None:
    check_step(law, size, "W_inf")
    if steps < 1 or passes < 1:
        raise ValueError(f"steps and passes must be at least 1, got {steps} and {passes}")
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be {' or '.join(get_args(Norm))}, got {norm!r}")
    if network is not None and not callable(network):
        raise ValueError(f"network must be a function (x, generator) -> logits, got {type(network).__name__}")


@family("winf", moves_atoms=True, sees_network=True, check=_check)
def adversarial(
    law: InputLaw,
    size: float,
    network: Callable[[Tensor, torch.Generator], Tensor],
    steps: int = 20,
    passes: int = 4,
    norm: Norm = "l2",
    seed: int = 0,
) -> Shift:
    """Every atom moves by at most `size` to where the network errs more, by projected gradient ascent; labels stay.

    The ascent is on the cross-entropy of the atom's label, averaged over noisy passes that are new at every step,
    within the ball of the norm (l2 or linf) about the atom and the range of the coordinates of the reference law. So
    W_inf <= size; it is an upper end, as atoms that are sent to one another's places may be nearer than their steps
    say. The parameter is the mean rise of the cross-entropy in nats, on passes of their own, the same before and after.

    Args:
        network: (x (n, d) float32, generator) -> logits (n, classes), one noisy pass.
        steps: of the ascent.
        passes: averaged in each step.
        norm: of an atom's step.

    Source: Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018; with gradients over
    the noise as in Athalye et al., Obfuscated gradients give a false sense of security, ICML 2018.
    """
    _check(law, size, network, steps, passes, norm)
    least, largest = pixel_range(law)
    atoms, rise = np.empty_like(law.atoms), 0.0
    for start in range(0, len(atoms), BLOCK):
        rows = slice(start, start + BLOCK)
        block = start // BLOCK
        origin, labels = torch.tensor(law.atoms[rows]), torch.tensor(law.labels[rows])
        x = origin.clone()
        for step in range(steps):
            gradient = _losses(network, x, labels, passes, _key(seed, "ascent", block, step), ascend=True)[1]
            x = origin + _within(x + STRIDE * size / steps * _unit(gradient, norm) - origin, size, norm)
            x = x.clamp(least, largest)
        before, after = (_losses(network, place, labels, passes, _key(seed, "rise", block))[0] for place in (origin, x))
        rise += float(law.weights[rows] @ (after - before).numpy())
        atoms[rows] = x.numpy()
    moved = law.moved(atoms)
    farthest = largest_step(law, moved, norm)
    if not farthest <= size * (1 + 1e-6):
        raise ArithmeticError(f"an atom moved by {farthest!r}, more than {size!r}")
    return Shift(moved, rise)


def _key(seed: int, *purpose: int | str) -> int:
    return int(stream(seed, "adversarial", *purpose).integers(2**63))


def _losses(
    network: Callable[[Tensor, torch.Generator], Tensor],
    x: Tensor,
    labels: Tensor,
    passes: int,
    key: int,
    ascend: bool = False,
) -> tuple[Tensor, Tensor]:
    """The cross-entropy of every input (n,), and with `ascend` its gradient (n, d), means over noisy passes."""
    generator = torch.Generator().manual_seed(key)
    with torch.set_grad_enabled(ascend):
        given = x.float().requires_grad_(ascend)
        losses = torch.zeros(len(x))
        for _ in range(passes):
            logits = network(given, generator)
            if logits.shape[1] <= int(labels.max()):
                raise ValueError(
                    f"logits must have a column for every label up to {int(labels.max())}, got {tuple(logits.shape)}"
                )
            losses = losses + torch.nn.functional.cross_entropy(logits, labels, reduction="none") / passes
        gradient = torch.autograd.grad(losses.sum(), given)[0] if ascend else torch.zeros(())
    return losses.detach().double(), gradient.double()


def _unit(gradient: Tensor, norm: Norm) -> Tensor:
    """The step of length 1 that rises most; none where the gradient vanishes."""
    if norm == "linf":
        return gradient.sign()
    lengths = torch.linalg.norm(gradient, dim=1, keepdim=True)
    return torch.where(lengths > 0, gradient / lengths, 0.0)


def _within(steps: Tensor, size: float, norm: Norm) -> Tensor:
    """Steps (n, d), cut to the ball."""
    if norm == "linf":
        return steps.clamp(-size, size)
    lengths = torch.linalg.norm(steps, dim=1, keepdim=True)
    return steps * torch.clamp(size / lengths.clamp(min=1e-300), max=1.0)
