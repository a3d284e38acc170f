"""Losses of single inputs, which training descends on."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

Loss = Callable[[Tensor, Tensor], Tensor]  # logits (n, classes) and classes (n,) to losses (n,)
LossName = Literal["cross_entropy", "squared"]


def log_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-ln p(y) of the softmax of the logits (n, classes), for each row, nats (n,)."""
    return cross_entropy(logits, y, reduction="none")


def squared_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over classes of the squared distance of each logit to +1, of the own class, or -1, for each row (n,).

    Example:
        >>> import torch
        >>> squared_loss(torch.tensor([[1.0, -1.0], [0.0, 0.0]]), torch.tensor([0, 1])).tolist()
        [0.0, 1.0]
    """
    return (logits - (2 * one_hot(y, logits.shape[1]).to(logits) - 1)).square().mean(1)


LOSSES: dict[LossName, Loss] = {"cross_entropy": log_loss, "squared": squared_loss}
