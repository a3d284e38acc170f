"""Training of a noisy network, one epoch at a time, so that it can stop and go on with the same bits."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ib_core.networks.hooks import mode
from ib_core.networks.losses import Loss, log_loss
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.objective import Objective
from ib_core.networks.objectives.erm import erm
from ib_core.streams import stream

EVALUATED_BYTES = 2**24  # of the signals of the widest layer at a time


class Evaluation(NamedTuple):
    """How well a network classifies, with its noise and without.

    Attributes:
        loss: mean cross-entropy of noisy passes, nats.
        accuracy: part of them that is right.
        clean_loss, clean_accuracy: the same of the pass without noise.
    """

    loss: float
    accuracy: float
    clean_loss: float
    clean_accuracy: float


def split(n: int, train_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of a random training part and of the rest, both sorted."""
    order = stream(seed, "split").permutation(n)
    cut = round(train_fraction * n)
    return np.sort(order[:cut]), np.sort(order[cut:])


def optimizer(
    name: Literal["adam", "sgd"],
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Adam, which has moments of its own, or stochastic gradient descent.

    Args:
        name: which.
        parameters: that are trained.
        learning_rate: step size.
        momentum: of "sgd".
        weight_decay: times each parameter, is added to its gradient.

    Raises:
        ValueError: the name is neither, or Adam is given a momentum.
    """
    if name == "adam" and not momentum:
        return torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay)
    raise ValueError(f"optimizer must be sgd, or adam without momentum, got {name!r} with momentum {momentum}")


def geometric(first: float, last: float, epoch: int, epochs: int) -> float:
    """The learning rate of an epoch, 1..epochs, that falls by the same factor after each, from `first` to `last`."""
    return first * (last / first) ** ((epoch - 1) / max(epochs - 1, 1))


def train_epoch(
    network: NoisyNetwork,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    batch: int,
    seed: int,
    epoch: int,
    learning_rate: float | None = None,
    orthonormal: float = 0.0,
    loss: Loss = log_loss,
    objective: Objective = erm,
    radius: float = 0.0,
) -> None:
    """One epoch of minibatch gradient descent on the losses of noisy passes, by default on their mean.

    Batches, noise and what the module itself draws (dropout) depend on (seed, epoch) alone: resumed at a checkpoint of
    the state_dicts of module and optimizer, training gives the bits of an undisturbed one.

    Args:
        network: whose module is trained, in train mode.
        optimizer: any of torch's.
        x: (n, d_0) or (n, *input_shape).
        y: (n,) classes.
        batch: inputs per step; a last one that were alone joins the batch before, as batch norm needs two.
        seed: key of the streams.
        epoch: number of the epoch.
        learning_rate: of this epoch; None leaves that of the optimizer.
        orthonormal: a of W -= a (W W' W - W), which draws the rows or columns of every weight matrix (out, fan in) but
            the last towards orthonormal ones after every step.
        loss: of the logits of each input.
        objective: what is descended on, of the losses of a batch.
        radius: of its ball.

    Raises:
        ArithmeticError: a loss is not finite.
    """
    rng = stream(seed, "epoch", epoch)
    noise = torch.Generator(network.device).manual_seed(int(rng.integers(2**62)))
    order = torch.from_numpy(rng.permutation(len(x)))
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] if learning_rate is None else learning_rate
    cards = [network.device] if network.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cards), mode(network.module, training=True):
        torch.manual_seed(int(rng.integers(2**62)))
        for chosen in _batches(order, batch):
            inputs, classes = x[chosen], y[chosen]
            if objective.move is not None:
                inputs = objective.move(_slope(network, noise, loss, classes), inputs, radius)
            optimizer.zero_grad()
            logits = network(inputs, noise, training=True)
            losses = loss(logits, classes.to(logits.device))
            found = losses.detach().double().cpu().numpy()
            if not np.isfinite(found).all():
                raise ArithmeticError(f"losses must be finite, in epoch {epoch} they are not: the steps are too large")
            law = torch.from_numpy(objective.worst(found, classes.numpy(), radius))
            (losses @ law.to(losses)).backward()
            optimizer.step()
            if orthonormal:
                _draw_to_orthonormal(network.module, orthonormal)


def _slope(network: NoisyNetwork, noise: torch.Generator, loss: Loss, classes: Tensor) -> Callable[[Tensor], Tensor]:
    """The gradient of each input's loss of a noisy pass in train mode, which leaves the module as it was."""

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        before = [each.clone() for each in network.module.buffers()]
        logits = network(x, noise, training=True)
        (gradient,) = torch.autograd.grad(loss(logits, classes.to(logits.device)).sum(), x)
        for each, was in zip(network.module.buffers(), before, strict=True):
            each.copy_(was)
        return gradient

    return slope


def _batches(order: Tensor, batch: int) -> list[Tensor]:
    parts = list(order.split(batch))
    if len(parts) > 1 and len(parts[-1]) == 1 < batch:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


@torch.no_grad()
def _draw_to_orthonormal(module: nn.Module, step: float) -> None:
    """W -= a (W W' W - W) for all weight matrices but the last; a kernel is one with a row for each channel."""
    for weight in [each for each in module.parameters() if each.ndim >= 2][:-1]:
        matrix = weight.flatten(1)
        weight.sub_((step * (matrix @ matrix.T @ matrix - matrix)).reshape(weight.shape))


@torch.no_grad()
def evaluate(network: NoisyNetwork, x: Tensor, y: Tensor, seed: int, epoch: int, n_passes: int = 4) -> Evaluation:
    """Cross-entropy and accuracy of `n_passes` noisy passes and of the clean one, in eval mode, in bounded memory."""
    noise = torch.Generator(network.device).manual_seed(int(stream(seed, "evaluate", epoch).integers(2**62)))
    rows = max(EVALUATED_BYTES // (4 * max(network.widths)), 1)
    found = np.zeros(4)
    for chosen in torch.arange(len(x)).split(rows):
        inputs, target = x[chosen], y[chosen]
        found[2:] += _sums(network.clean(inputs), target)
        for _ in range(n_passes):
            found[:2] += _sums(network(inputs, noise), target) / n_passes
    return Evaluation(*map(float, found / len(x)))


def _sums(logits: Tensor, y: Tensor) -> np.ndarray:
    """Cross-entropy and right answers, summed over rows."""
    y = y.to(logits.device)
    loss = cross_entropy(logits.double(), y, reduction="sum")
    return np.array([float(loss), float((logits.argmax(1) == y).sum())])
