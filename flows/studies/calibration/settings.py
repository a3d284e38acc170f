"""The settings of the calibration: which laws, sizes and chains the estimator is held against."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from flows.settings.settings import (
    ConfigError,
    Count,
    Noise,
    Positive,
    Seed,
    Settings,
    StudyConfig,
    ascending,
    distinct,
)
from ib_core.calibration.known_laws import KNOWN_LAWS
from ib_core.members import did_you_mean

Dimension = Annotated[int, Field(ge=1, le=64)]
Samples = Annotated[int, Field(ge=2, le=1_000_000)]


class Law(Settings):
    """A law whose smoothed entropy is known, at some noise levels."""

    law: str = Field(description=f"one of {', '.join(KNOWN_LAWS)}")
    betas: list[Noise] = Field(min_length=1, description="standard deviations of the noise")

    _check_betas = field_validator("betas")(distinct)

    @field_validator("law")
    @classmethod
    def _check_law(cls, law: str) -> str:
        if law not in KNOWN_LAWS:
            raise ValueError(f"must be one of {', '.join(KNOWN_LAWS)}{did_you_mean(law, KNOWN_LAWS)}, got {law!r}")
        return law


class Entropy(Settings):
    """The risk E|h(S_hat + Z) - h(S + Z)| of the plug-in entropy of n samples."""

    laws: list[Law] = Field(min_length=1)
    dimensions: list[Dimension] = Field([1, 2, 5, 10], min_length=1, description="widths d of the signal")
    samples: list[Samples] = Field(min_length=1, description="numbers n of samples")
    replications: Annotated[int, Field(ge=2, le=10_000)] = Field(32, description="independent samples for each n")
    relative_stderr: Positive = Field(
        0.15, description="Monte Carlo standard error of one estimate (nats) times the root of n: 0.15 / sqrt(n)"
    )
    max_draws: Count = Field(2**20, description="most draws for one estimate")
    fit_from: Count = Field(256, description="slopes are fitted to n from here on")
    levels: list[Positive] = Field([1.0, 0.3, 0.1], description="risks (nats) for which the least n is read off")

    _sort = field_validator("dimensions", "samples")(ascending)
    _check_distinct = field_validator("levels")(distinct)


class Chain(Settings):
    """The bracket of I(X; T_L) on chains of single neurons, one for each coordinate of X."""

    inputs: list[float] = Field([-1.0, 1.0], min_length=2, description="values of each coordinate of X, equally likely")
    slopes: list[float] = Field([1.5, 2.0], min_length=2, description="weights of the neurons, first layer first")
    offsets: list[float] = Field([0.2, 0.0], description="their biases")
    betas: list[Noise] = Field([0.5], min_length=1, description="standard deviations of the layer noise")
    dimensions: list[Annotated[int, Field(ge=1, le=8)]] = Field([1, 2], min_length=1, description="widths d")
    passes: list[Count] = Field(min_length=1, description="stored passes n_x for each input")
    fresh_passes: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        1024, description="further passes of each input, for the lower ends"
    )
    sampled: list[Annotated[int, Field(ge=2, le=1000)]] = Field(
        [], description="numbers n of inputs drawn from P_X, with n passes each: the setting of the MI risk theorems"
    )
    fit_from: Count = Field(16, description="the slopes of the gaps are fitted to n_x from here on")
    replications: Annotated[int, Field(ge=2, le=10_000)] = Field(64, description="independent networks of passes")
    target_stderr: Positive = Field(
        0.01, description="drawing stops at this standard error (nats), which for the ends counts passes too"
    )
    max_draws: Count = Field(2**16, description="most draws for each end of a bracket, and for each entropy")

    _sort = field_validator("dimensions", "passes", "sampled")(ascending)
    _check_distinct = field_validator("inputs", "betas")(distinct)

    @model_validator(mode="after")
    def _check_layers(self) -> "Chain":
        if len(self.offsets) != len(self.slopes):
            raise ValueError(f"slopes and offsets must be as many, got {len(self.slopes)} and {len(self.offsets)}")
        return self


class CalibrationConfig(StudyConfig):
    """The estimator against closed forms: risk over n, d and beta, and the bracket over n_x."""

    study: Literal["calibration"] = Field("calibration", description="which study these settings are for")
    entropy: Entropy
    chain: Chain | None = Field(None, description="null: entropies alone")
    seed: Seed = Field(0, description="key of all samples and draws")

    @model_validator(mode="after")
    def _check_size(self) -> "CalibrationConfig":
        curves = len(self.entropy.dimensions) * sum(len(law.betas) for law in self.entropy.laws)
        cases = curves * len(self.entropy.samples)
        if self.chain:
            chains = len(self.chain.dimensions) * len(self.chain.betas)
            cases += chains * (len(self.chain.passes) + len(self.chain.sampled))
        if cases > self.resources.max_cells:
            raise ValueError(f"the grid has {cases:,} cases, resources.max_cells allows {self.resources.max_cells:,}")
        laws = [law.law for law in self.entropy.laws]
        distinct(laws)
        return self

    def check_reachable(self) -> None:
        """Refuse a law that does not exist at one of its noise levels or widths."""
        for index, law in enumerate(self.entropy.laws):
            for beta in law.betas:
                for d in self.entropy.dimensions:
                    try:
                        KNOWN_LAWS[law.law](d, beta)
                    except ValueError as error:
                        raise ConfigError(f"entropy.laws.{index} ({law.law}): {error}") from error
