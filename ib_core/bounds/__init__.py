"""What the theorems allow: how far I(X;T_l) can move under a shift, and how far an estimate can be from it.

Every function returns nats unless it says so. `capacity` caps the information; `reweighting`, `directional`, `kl_tv`,
`pointwise` and `wasserstein` bound how far a shift moves it, `label` what is left of I(T;Y); `risk`, `sampled`,
`passes`, `bias` and `sample_complexity` say how far an estimate can be off.
"""

from ib_core.bounds.bias import (
    bias_identity,
    bias_lower_bound,
    bias_lower_bound_grid,
    monte_carlo_mse,
    monte_carlo_mse_printed,
)
from ib_core.bounds.capacity import capacity, layer_capacity, power_capacity, reached_capacity
from ib_core.bounds.directional import tv_directional, tv_directional_measured, tv_directional_sizes
from ib_core.bounds.kl_tv import tv_from_kl
from ib_core.bounds.label import label_kl, label_tv, least_entropy_kl, least_entropy_tv
from ib_core.bounds.passes import (
    enumerated_risk,
    passes_deviation,
    passes_deviation_joint,
    passes_spread,
    shift_and_passes,
)
from ib_core.bounds.pointwise import (
    Certificate,
    golden_certificate,
    golden_interval,
    kl_pointwise,
    tv_certificate,
    tv_interval,
)
from ib_core.bounds.reweighting import binary_entropy, kl_capacity, kl_seed, tv_capacity, tv_seed
from ib_core.bounds.risk import (
    entropy_bias,
    entropy_risk,
    entropy_spread,
    estimation_risk,
    information_risk,
    information_risk_printed,
    information_risk_slides,
    risk_bounded_printed,
    risk_subgaussian_printed,
)
from ib_core.bounds.sample_complexity import (
    sample_complexity,
    sample_complexity_exponent,
    sample_complexity_rate,
    samples_enough,
)
from ib_core.bounds.sampled import sampled_bias, sampled_deviation, sampled_risk, shift_and_sampling
from ib_core.bounds.wasserstein import (
    entropy_w1,
    entropy_w2,
    polyanskiy_wu,
    wasserstein,
    wasserstein_coupled,
)

__all__ = [
    "Certificate",
    "bias_identity",
    "bias_lower_bound",
    "bias_lower_bound_grid",
    "binary_entropy",
    "capacity",
    "entropy_bias",
    "entropy_risk",
    "entropy_spread",
    "entropy_w1",
    "entropy_w2",
    "enumerated_risk",
    "estimation_risk",
    "golden_certificate",
    "golden_interval",
    "information_risk",
    "information_risk_printed",
    "information_risk_slides",
    "kl_capacity",
    "kl_pointwise",
    "kl_seed",
    "label_kl",
    "label_tv",
    "layer_capacity",
    "least_entropy_kl",
    "least_entropy_tv",
    "monte_carlo_mse",
    "monte_carlo_mse_printed",
    "passes_deviation",
    "passes_deviation_joint",
    "passes_spread",
    "polyanskiy_wu",
    "power_capacity",
    "reached_capacity",
    "risk_bounded_printed",
    "risk_subgaussian_printed",
    "sample_complexity",
    "sample_complexity_exponent",
    "sample_complexity_rate",
    "sampled_bias",
    "sampled_deviation",
    "sampled_risk",
    "samples_enough",
    "shift_and_passes",
    "shift_and_sampling",
    "tv_capacity",
    "tv_certificate",
    "tv_directional",
    "tv_directional_measured",
    "tv_directional_sizes",
    "tv_from_kl",
    "tv_interval",
    "tv_seed",
    "wasserstein",
    "wasserstein_coupled",
]
