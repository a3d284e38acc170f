"""How the networks of a sweep are trained: its settings."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from flows.settings.settings import Count, Positive, Settings, named, shown
from ib_core.laws.family import FAMILIES
from ib_core.laws.family_parameters import check_parameters
from ib_core.networks.objective import OBJECTIVES, check_radius
from tasks.sweep.laws import is_column


def no_training(value: Any) -> Any:
    """`training: none`."""
    return None if value == "none" else value


class Shift(Settings):
    """A shift that training sees."""

    family: Annotated[str, named(FAMILIES)] = Field(description=FAMILIES.choice)
    size: Positive = Field(description="distance to the law of the points for training, or severity, as of `shifts`")
    parameters: dict[str, Any] = Field({}, description="further arguments of the family, no files")
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="of the inputs, each of which is seen shifted with this probability; for a reweighting, of the "
        "shifted law, which is mixed with that of the points",
    )

    @model_validator(mode="after")
    def _check_family(self) -> "Shift":
        family = FAMILIES.find(self.family)
        if family.sees_network:
            raise ValueError(
                f"family must not see the network, got {self.family}: objective wasserstein_dro trains on such inputs"
            )
        for name, value in self.parameters.items():
            if is_column(value):
                raise ValueError(
                    f"parameters.{name} must be no file, whose rows are atoms that are measured, got {value}"
                )
        check_parameters(self.family, family, self.parameters, shown=shown)
        if family.metric == "tv" and self.size > 1:
            raise ValueError(f"size in TV must be at most 1, got {self.size}")
        return self


class Training(Settings):
    """Gradient descent on the loss of noisy passes."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1000, description="passes over the training part")
    checkpoints: Annotated[int, Field(ge=1, le=1000)] = Field(6, description="log-spaced epochs, the last among them")
    untrained: bool = Field(False, description="whether the initial weights are kept, too, as epoch 0")
    loss: Literal["cross_entropy", "squared"] = Field(
        "cross_entropy",
        description="cross_entropy; or squared, of each logit from +1 (own class) or -1 (others), a mean",
    )
    objective: Annotated[str, named(OBJECTIVES)] = Field(
        "erm", description=f"what is descended on, of the losses of a batch: {OBJECTIVES.choice}"
    )
    radius: float | None = Field(
        None,
        description="of the ball of laws around the batch: TV (tv_dro), KL in nats (kl_dro), chi-squared (chi2_dro), "
        "W_2 of the inputs (wasserstein_dro); the share of largest losses (cvar_dro)",
    )
    shift: Shift | None = Field(None, description="a shift that training sees; null: none")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam, or sgd")
    learning_rate: Positive = Field(4e-4, description="step size of the first epoch")
    final_learning_rate: Positive | None = Field(
        None, description="step size of the last epoch, which it falls to geometrically; null: the first one's"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="of sgd")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="added to the gradient, times the weights")
    orthonormal: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="a: after every step W -= a (W W' W - W) for all weight matrices but the last"
    )
    batch_size: Count = Field(256, description="inputs per step")
    train_fraction: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="part of the points to train on; null: those that the data say, else .8"
    )

    @model_validator(mode="after")
    def _check_whole(self) -> "Training":
        check_radius(self.objective, self.radius)
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum must be left out unless optimizer is sgd, got {self.momentum}")
        return self

    @property
    def most_kept(self) -> int:
        """Checkpoints, at most."""
        return self.checkpoints + self.untrained
