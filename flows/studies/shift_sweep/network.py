"""The settings of the noisy networks of a sweep."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from flows.settings.settings import Noise, Seed, Settings, distinct, named
from flows.studies.shift_sweep.training import no_training
from ib_core.members import did_you_mean, own_place
from ib_core.networks.activation import ACTIVATIONS
from ib_core.networks.architecture import ARCHITECTURES


def _as_name(value: Any) -> Any:
    """Modules of a Sequential are named by numbers."""
    return str(value) if type(value) is int else value


class Network(Settings):
    """The noisy networks: one for each beta and seed."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$",
        description="what it is called in tables and figures; null: by its layers, or its function",
    )
    source: str = Field(
        "mlp", description=f"{', '.join(ARCHITECTURES.names)}, or module:function that returns a torch.nn.Module"
    )
    widths: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(
        None, max_length=32, description="units of the dense hidden layers; null: 10 7 5 4 3 (mlp), 128 (cnn)"
    )
    channels: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(
        None, max_length=8, description="channels of the convolutions of a cnn; null: 16 32"
    )
    activation: Annotated[str, named(ACTIVATIONS)] = Field("tanh", description=ACTIVATIONS.choice)
    batch_norm: bool = Field(False, description="normalise before each activation")
    initial_weights: Literal["glorot", "torch", "orthogonal"] = Field(
        "glorot", description="uniform of Glorot and Bengio (2010), those of torch, or orthogonal ones"
    )
    layers: list[Annotated[str, BeforeValidator(_as_name)]] | None = Field(
        None,
        description="of a network of your own: names of the modules that are noised, in the order of the forward "
        "pass; `ibshift layers` lists them; name[0] takes the first of several outputs",
    )
    parameters: dict[str, Any] = Field({}, description="of a network of your own: what its function takes")
    weights: str | None = Field(
        None,
        description="of a network of your own: a file of weights (.safetensors, .pt), or a glob of checkpoints, "
        "relative to the sweep's file; the last number in a name is the epoch",
    )
    noise: Literal["absolute", "relative"] = Field(
        "absolute",
        description="beta itself, or beta times the root mean square of the layer on training points, "
        "measured once: with the last weights that are given, or before training",
    )
    training: Annotated[dict[str, Any] | None, BeforeValidator(no_training)] = Field(
        {},
        description="settings of `training` that are other ones for these networks, the rest is as there; "
        "none: they are measured as they are",
    )
    betas: list[Noise] = Field([0.1], min_length=1, description="standard deviations of the layer noise")
    seeds: list[Seed] = Field([0], min_length=1, description="one network per seed: weights, batches, split and noise")

    _check_betas = field_validator("betas", "seeds")(distinct)

    @model_validator(mode="after")
    def _check_source(self, info: ValidationInfo) -> "Network":
        if self.source in ARCHITECTURES.names:
            for name in ("layers", "weights"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} must be left out for {self.source}: it is of networks of your own")
            if self.parameters:
                raise ValueError(f"parameters must be left out for {self.source}: they are of networks of your own")
            if self.channels is not None and self.source == "mlp":
                raise ValueError(f"channels must be left out for mlp, got {self.channels}")
            if self.widths == [] and (self.source == "mlp" or self.channels == []):
                raise ValueError("widths must name at least one hidden layer, got []")
            return self
        try:
            own_place(self.source)
        except KeyError as error:
            houses = ", ".join(ARCHITECTURES.names)
            close = did_you_mean(self.source, ARCHITECTURES.names)
            raise ValueError(
                f"source must be {houses}, or module:function of your own{close}: {error.args[0]}"
            ) from error
        for name in ("widths", "channels"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} must be left out for a network of your own, which has its layers")
        if self.layers is not None:
            distinct(self.layers)
        if self.weights is not None:
            object.__setattr__(
                self, "weights", os.path.realpath((info.context or Path()) / Path(self.weights).expanduser())
            )
        return self
