"""A robust objective is the largest mean loss of its set of laws: primal, dual, and gradient agree."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize, minimize_scalar
from torch import nn

from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.losses import log_loss
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.objective import OBJECTIVES, check_radius
from ib_core.networks.objectives import wasserstein_dro
from ib_core.networks.training import optimizer, train_epoch

RNG = np.random.default_rng(0)
CLASSES = np.array([0, 1, 2, 0, 1, 2, 2, 0])
BATCHES = {
    "random": RNG.exponential(size=8),
    "random too": RNG.normal(size=8),
    "ties": np.array([0.2, 1.5, 0.2, 1.5, 0.7, 1.5, 0.7, 0.0]),
    "equal": np.full(8, 0.4),
    "one far above": np.array([0.1, 0.2, 0.1, 9.0, 0.3, 0.2, 0.0, 0.1]),
    "one": np.array([0.8]),
    "tiny": 1e-9 * RNG.exponential(size=8),
}
RADII = {
    "kl_dro": (1e-6, 0.05, 0.7, 10.0),
    "tv_dro": (1e-6, 0.1, 0.43, 1.0),
    "cvar_dro": (1e-3, 0.1, 0.375, 0.9, 1.0),
    "chi2_dro": (1e-6, 0.1, 0.9, 20.0),
}
CASES = [(name, radius, batch) for name, radii in RADII.items() for radius in radii for batch in BATCHES]


def worst(name, losses, radius=0.0, classes=CLASSES):
    law = OBJECTIVES.find(name).worst(losses, classes[: len(losses)], radius)
    assert law.shape == losses.shape and law.min() >= 0 and law.sum() == pytest.approx(1, abs=1e-12)
    return law


def distance(name, law):
    """Of the law of a batch from uniform, in the objective's metric."""
    ratio = law * len(law)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "kl_dro": np.where(law > 0, law * np.log(ratio), 0).sum(),
            "tv_dro": 0.5 * np.abs(law - 1 / len(law)).sum(),
            "cvar_dro": ratio.max(),
            "chi2_dro": ((ratio - 1) ** 2).mean(),
        }[name]


def linear_programme(name, losses, radius):
    """max q @ losses over the ball, by simplex."""
    n = len(losses)
    if name == "cvar_dro":
        found = linprog(-losses, A_eq=[np.ones(n)], b_eq=[1], bounds=[(0, 1 / (radius * n))] * n)
    else:  # q and |q - 1/n| <= s, sum s <= 2 eps
        eye = np.eye(n)
        above = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, n)), np.ones((1, n))]])
        right = np.concatenate([np.full(n, 1 / n), np.full(n, -1 / n), [2 * radius]])
        cost = np.concatenate([-losses, np.zeros(n)])
        found = linprog(cost, above, right, [[*np.ones(n), *np.zeros(n)]], [1], bounds=[(0, None)] * (2 * n))
    assert found.success
    return -found.fun


def convex_programme(name, losses, radius):
    """The same over a ball that is no polytope, by sequential quadratic programming from several starts."""
    n, scale = len(losses), float(np.ptp(losses)) or 1.0
    starts = [np.full(n, 1 / n), *np.random.default_rng(1).dirichlet(np.ones(n), 3)]
    starts += [0.999 * (losses == losses.max()) / (losses == losses.max()).sum() + 0.001 / n]
    room = {"type": "ineq", "fun": lambda q: radius - distance(name, q)}
    one = {"type": "eq", "fun": lambda q: q.sum() - 1}
    best = -math.inf
    for start in starts:
        options = {"maxiter": 500, "ftol": 1e-13}
        found = minimize(
            lambda q: -(q @ losses) / scale, start, bounds=[(1e-12, 1)] * n, constraints=[one, room], options=options
        )
        q = found.x / found.x.sum()
        if distance(name, q) <= radius * (1 + 1e-6) + 1e-12:
            best = max(best, float(q @ losses))
    return best


def dual(name, losses, radius):
    """The dual of each objective, minimised over one number on a fine grid and between its points."""
    top, spread = losses.max(), float(np.ptp(losses)) or 1.0

    def least(f, low, high, to=lambda t: t):
        grid = np.linspace(low, high, 4001)
        values = np.array([f(to(t)) for t in grid])
        k = int(values.argmin())
        ends = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
        fine = minimize_scalar(lambda t: f(to(t)), bounds=ends, method="bounded", options={"xatol": 1e-12})
        return min(float(fine.fun), values[k])

    def above(eta):
        return np.maximum(losses - eta, 0)

    if name == "kl_dro":
        mean = losses - top  # its largest is 0, so that nothing overflows
        inner = lambda lam: top + (radius + np.log(np.exp(lam * mean).mean())) / lam  # noqa: E731
        return least(inner, math.log(1e-5 / spread), math.log(1e5 / spread), math.exp)
    low, high = losses.min() - 1e-9, top
    if name == "tv_dro":
        return radius * top + least(lambda eta: (1 - radius) * eta + above(eta).mean(), low, high)
    if name == "cvar_dro":
        return least(lambda eta: eta + above(eta).mean() / radius, low, high)
    root = lambda eta: eta + math.sqrt((1 + radius) * (above(eta) ** 2).mean())  # noqa: E731
    return least(lambda t: root(top - t), math.log(1e-9 * spread), math.log(1e4 * spread), math.exp)


@pytest.mark.parametrize(("name", "radius", "batch"), CASES)
def test_the_mean_under_the_worst_law_is_the_dual_value(name, radius, batch):
    losses = BATCHES[batch]
    law = worst(name, losses, radius)
    scale = float(np.ptp(losses)) or 1.0
    most = 1 / radius if name == "cvar_dro" else radius
    assert distance(name, law) <= most * (1 + 1e-6) + 1e-12
    assert float(law @ losses) == pytest.approx(dual(name, losses, radius), abs=2e-4 * scale, rel=1e-9)


@pytest.mark.parametrize(("name", "radius", "batch"), [case for case in CASES if case[0] in ("tv_dro", "cvar_dro")])
def test_no_law_of_a_polytope_has_a_larger_mean(name, radius, batch):
    losses = BATCHES[batch]
    scale = float(np.abs(losses).max())
    found = linear_programme(name, losses / scale, radius)
    assert float(worst(name, losses, radius) @ losses) / scale == pytest.approx(found, abs=1e-8)


@pytest.mark.parametrize("batch", ["random", "random too", "ties", "one far above"])
@pytest.mark.parametrize(("name", "radius"), [("kl_dro", 0.05), ("kl_dro", 0.7), ("chi2_dro", 0.1), ("chi2_dro", 0.9)])
def test_no_law_of_a_ball_has_a_larger_mean(name, radius, batch):
    losses = BATCHES[batch]
    found = convex_programme(name, losses, radius)
    assert float(worst(name, losses, radius) @ losses) == pytest.approx(found, abs=1e-4 * np.ptp(losses))


@pytest.mark.parametrize(("name", "radius"), [("kl_dro", 0.3), ("tv_dro", 0.13), ("cvar_dro", 0.3), ("chi2_dro", 0.4)])
def test_the_gradient_of_the_objective_is_the_worst_law(name, radius):
    losses, step = BATCHES["random"], 1e-6
    law = worst(name, losses, radius)
    for i, way in enumerate(step * np.eye(8)):
        ends = [float(worst(name, losses + sign * way, radius) @ (losses + sign * way)) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(law[i], abs=1e-4)


def test_the_worst_class_is_a_linear_programme_of_class_means():
    losses = BATCHES["random"]
    means = np.array([losses[c == CLASSES].mean() for c in range(3)])
    found = linprog(-means, A_eq=[np.ones(3)], b_eq=[1], bounds=[(0, None)] * 3)
    law = worst("group_dro", losses)
    assert float(law @ losses) == pytest.approx(-found.fun) and set(CLASSES[law > 0]) == {int(means.argmax())}
    assert worst("group_dro", np.array([0.3]), classes=np.array([7])) == [1.0]
    assert worst("erm", losses) @ losses == pytest.approx(losses.mean())


@pytest.mark.parametrize(("scale", "radius"), [(0.5, 0.2), (3.0, 1.0), (0.1, 5.0)])
def test_inputs_are_moved_to_where_concave_losses_are_largest(scale, radius, monkeypatch):
    """For l_i(z) = b_i z - |A z|^2 / 2 the inner supremum is in closed form, and the dual a minimum over gamma."""
    rng = np.random.default_rng(2)
    x, b, a = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), rng.normal(scale=scale, size=(3, 3))
    bend = a.T @ a

    def loss(z):
        return (b * z).sum(1) - 0.5 * np.einsum("ni,ij,nj->n", z, bend, z)

    def priced(gamma):  # the best z solves b - bend z = 2 gamma (z - x)
        z = np.linalg.solve(bend + 2 * gamma * np.eye(3), (b + 2 * gamma * x).T).T
        return gamma * radius**2 + (loss(z) - gamma * ((z - x) ** 2).sum(1)).mean()

    best = minimize_scalar(lambda t: priced(math.exp(t)), bounds=(-20, 10), method="bounded", options={"xatol": 1e-10})
    slope = lambda z: torch.from_numpy(b) - z @ torch.from_numpy(bend)  # noqa: E731
    gaps = []
    for steps in (5, 2000):
        monkeypatch.setattr(wasserstein_dro, "STEPS", steps)
        moved = wasserstein_dro.transported(slope, torch.from_numpy(x), radius).numpy()
        assert ((moved - x) ** 2).sum(1).mean() <= radius**2 * (1 + 1e-9)
        gaps.append(best.fun - loss(moved).mean())
    assert -1e-7 <= gaps[1] <= 1e-2 * (best.fun - loss(x).mean()) and gaps[1] <= gaps[0] + 1e-12


def test_a_linear_loss_moves_every_input_alike():
    x, way = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, 2.0, 0.0, -2.0])
    moved = OBJECTIVES.find("wasserstein_dro").move(lambda z: way.expand_as(z), x, 0.6)
    torch.testing.assert_close(moved - x, (0.6 / 3 * way).expand_as(x))
    still = OBJECTIVES.find("wasserstein_dro").move(torch.zeros_like, x, 0.6)
    assert torch.equal(still, x)


def network(seed=0):
    module, layers = build_mlp(Spec((4,), 3, (6,), "tanh"), seed)
    return NoisyNetwork(module, layers, (4,), [0.0])


@pytest.mark.parametrize("name", OBJECTIVES.names)
def test_a_step_of_training_descends_on_the_objective(name):
    x, y = torch.randn(24, 4, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
    objective, radius = OBJECTIVES.find(name), 0.3
    net, step = network(), 0.05
    before = [each.detach().clone() for each in net.module.parameters()]
    inputs = x
    if objective.move is not None:
        slope = lambda z: torch.autograd.grad(log_loss(net.clean(z.requires_grad_()), y).sum(), z)[0]  # noqa: E731
        inputs = objective.move(slope, x, radius)
    losses = log_loss(net.clean(inputs), y)
    value = losses @ torch.from_numpy(objective.worst(losses.detach().double().numpy(), y.numpy(), radius)).float()
    slopes = torch.autograd.grad(value, list(net.module.parameters()))
    descent = optimizer("sgd", net.module.parameters(), step)
    train_epoch(net, descent, x, y, len(x), 0, 1, objective=objective, radius=radius)
    for old, slope_of, new in zip(before, slopes, net.module.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old - step * slope_of, rtol=1e-3, atol=1e-6)


def test_inputs_that_are_moved_leave_the_statistics_of_a_batch_alone():
    module = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
    net = NoisyNetwork(module, ["2"], (4,), [0.1])
    x, y = torch.randn(24, 4, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
    objective = OBJECTIVES.find("wasserstein_dro")
    train_epoch(net, optimizer("sgd", module.parameters(), 0.1), x, y, 8, 0, 1, objective=objective, radius=0.5)
    assert int(module[1].num_batches_tracked) == 3


def test_losses_that_are_not_finite_stop_the_training():
    net = network()
    with torch.no_grad():
        next(net.module.parameters()).fill_(math.nan)
    with pytest.raises(ArithmeticError, match="losses must be finite, in epoch 3"):
        train_epoch(
            net, optimizer("sgd", net.module.parameters(), 0.1), torch.zeros(4, 4), torch.arange(4) % 3, 4, 0, 3
        )


@pytest.mark.parametrize(
    ("name", "radius", "message"),
    [
        ("erm", 0.1, "radius must be left out for erm, which has none, got 0.1"),
        ("group_dro", 0.1, "radius must be left out for group_dro"),
        ("kl_dro", None, r"radius must be greater than 0 for kl_dro \(kl\), got null"),
        ("kl_dro", 0.0, r"radius must be greater than 0 for kl_dro \(kl\), got 0.0"),
        ("kl_dro", math.inf, "radius must be greater than 0 .* got inf"),
        ("tv_dro", 1.1, r"radius must be greater than 0 and at most 1 for tv_dro \(tv\), got 1.1"),
        ("cvar_dro", 2.0, r"at most 1 for cvar_dro \(level\), got 2.0"),
        ("wasserstein_dro", -1.0, r"radius must be greater than 0 for wasserstein_dro \(w2\), got -1.0"),
    ],
)
def test_a_radius_that_there_is_not_is_refused(name, radius, message):
    with pytest.raises(ValueError, match=message):
        check_radius(name, radius)
