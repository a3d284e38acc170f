"""Stage `attacks`: laws that are shifted against one checkpoint of one network, by families that see it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ib_core.estimators.cost import passing_seconds
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import Cost
from tasks.sweep.laws import Shifted
from tasks.sweep.networks import Network, checkpoint

PASSES = 60  # of an atom, there and back, under all steps of an attack
SECONDS_PER_VALUE = 7e-9  # of a hidden layer


@dataclass(frozen=True, eq=False)
class Attack(Shifted):
    """A shift of the reference law by a family that sees the network.

    Attributes:
        network: that it sees.
        epoch: of the checkpoint.
    """

    stage: ClassVar[str] = "attacks"
    network: Network
    epoch: int

    @property
    def label(self) -> str:
        return f"{self.network.label}/e{self.epoch:07d}/{self.key}"

    @property
    def members(self) -> tuple[Definition, ...]:
        return (*super().members, *self.network.members)

    def cost(self) -> Cost:
        shifted = super().cost()
        hidden, products = self.network.hidden, self.network.design.products
        return Cost(
            shifted.seconds + passing_seconds(PASSES * self.n_atoms, hidden, products, SECONDS_PER_VALUE), shifted.bytes
        )

    def arguments(self) -> dict[str, Any]:
        torch.set_num_threads(1)
        return super().arguments() | {"network": checkpoint(self.network, self.epoch)}
