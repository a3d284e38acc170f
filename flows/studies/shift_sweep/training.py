"""How the networks of a sweep are trained: its settings."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flows.settings.settings import Count, Positive, Settings


class Training(Settings):
    """Gradient descent on the loss of noisy passes."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1000, description="passes over the training part")
    checkpoints: Annotated[int, Field(ge=1, le=1000)] = Field(6, description="log-spaced epochs, the last among them")
    untrained: bool = Field(False, description="whether the initial weights are kept, too, as epoch 0")
    loss: Literal["cross_entropy", "squared"] = Field(
        "cross_entropy",
        description="cross_entropy; or squared, of each logit from +1 (own class) or -1 (others), a mean",
    )
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
    def _check_momentum(self) -> "Training":
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum must be left out unless optimizer is sgd, got {self.momentum}")
        return self

    @property
    def most_kept(self) -> int:
        """Checkpoints, at most."""
        return self.checkpoints + self.untrained
