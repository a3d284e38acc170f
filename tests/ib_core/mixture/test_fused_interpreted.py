"""The fused kernels' logic, on the CPU through Triton's interpreter; no rounding of a card is tested here."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from ib_core import arrays
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.resident import ResidentSums

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton has no wheel for this machine")

TWIN = """
import math
import numpy as np
import torch
from scipy.special import logsumexp
from ib_core.arrays import smaller_tiles
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.fused.sums import FusedSums
from ib_core.mixture.kernels.groups import Groups, OwnAtom, ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.resident import resident_log_totals

def twin(points, centres, beta, weights):
    squares = np.square(points[:, None] - centres).sum(2)
    with np.errstate(divide="ignore"):
        logs = np.log(weights) - squares / (2 * beta**2)
    return logsumexp(logs, axis=1) - points.shape[1] * math.log(beta * math.sqrt(2 * math.pi))

rng = np.random.default_rng(0)
"""

DENSITIES = """
for d in (1, 2, 3, 10, 16, 17, 64, 256, 1024):
    for beta in (0.005, 0.1, 2.0):
        centres = np.maximum(rng.normal(size=(70, d)), 0) + 10  # the offset is what cancels in float32
        centres[35:] = centres[:35] + 0.3 * beta * rng.normal(size=(35, d)) / math.sqrt(d)  # near-equal ones
        direction = rng.normal(size=(12, d))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        tail = centres[:12] + beta * np.geomspace(3, 3e4, 12)[:, None] * direction
        points = np.concatenate([centres[::2] + beta * rng.normal(size=(35, d)), tail, 100 * rng.normal(size=(3, d))])
        found = log_density(points, centres, beta, backend="triton")
        # Where the density is e^-1e10, the last digit of a float64 is itself worth more than 1e-5.
        np.testing.assert_allclose(found, twin(points, centres, beta, 1 / 70), rtol=1e-13, atol=1e-5)
"""

LAWS = """
centres = np.concatenate([rng.normal(size=(40, 20)), rng.normal(size=(40, 20)) + 50])
far = np.r_[np.zeros(40), np.full(40, 1 / 40)]
weights = np.stack([np.full(80, 1 / 80), np.eye(80)[0], far, np.r_[np.full(79, 1e-30), 1 - 79e-30]], axis=1)
points = centres + 0.1 * rng.normal(size=centres.shape)
found = log_density(points, centres, 0.1, weights=weights, backend="triton")
for column, law in zip(found.T, weights.T):
    np.testing.assert_allclose(column, twin(points, centres, 0.1, law), rtol=1e-13, atol=1e-5)
"""

# Forms of the products: columns, near, apart, float64 (beta = .005, and wherever slices are switched off).
RESIDENT = """
forms = set()
for d, beta in ((3, 0.1), (16, 0.5), (40, 0.5), (64, 0.005)):
    means = np.maximum(rng.normal(size=(70, 1, d)), 0) + 10
    means[35:] = means[:35] + 0.3 * beta * rng.normal(size=(35, 1, d)) / math.sqrt(d)
    for passes in (1, 2):
        atoms = Atoms(means + beta * rng.normal(size=(70, passes, d)), beta)
        group_of, atom = np.repeat([0, 1], 35), rng.integers(70, size=80)
        points = atoms.centres[atom, 0] + rng.normal(size=(80, d))
        # A fresh pass may lie far from all stored ones of its atom, and much nearer to those of another.
        points[:3] = atoms.centres[-3:, passes - 1] + rng.normal(size=(3, d))
        points[3:6] += 1e3
        there = [torch.from_numpy(each) for each in (points, atom, group_of[atom])]
        exact = atoms.exact(points)
        known = OwnAtom(*map(torch.from_numpy, atoms.own(points, atom, group_of[atom])))
        for count in (1, 3, 70):
            laws = rng.dirichlet(np.ones(70), size=count).T
            groups = Groups(laws, [slice(0, 35), slice(35, 70)], group_of)
            wanted = torch.from_numpy(rng.random((80, count)) < 0.7)
            for half in (False, True):
                kernel = FusedSums(torch.from_numpy(atoms.centres), half)
                forms.add(None if kernel.half is None else kernel.half.form)
                for own, counts in ((None, None), (known, None), (known, wanted)):
                    found = resident_log_totals(kernel, there[0], groups, own, counts)
                    among = np.where(group_of[atom][:, None] == group_of, exact, -np.inf)
                    layers = (exact,) if own is None else (exact, among)
                    assert len(found) == len(layers)
                    for layer, logs in zip(found, layers):
                        truth = np.stack([logsumexp(logs + np.log(law), axis=1) for law in laws.T], axis=1)
                        truth = truth if counts is None else np.where(counts, truth, 0.0)
                        np.testing.assert_allclose(layer, truth, rtol=1e-12, atol=1e-5)
assert forms == {None, "columns", "near", "apart"}
"""

SAME_BITS = """
for d, beta, count in ((3, 0.1, 1), (3, 0.1, 5), (16, 0.5, 20)):
    centres = torch.from_numpy(rng.normal(size=(90, 2, d)) / beta)
    laws, group_of = rng.dirichlet(np.ones(90), size=count).T, np.repeat([0, 1], [30, 60])
    groups = Groups(laws, [slice(0, 30), slice(30, 90)], group_of)
    kernel, atom = FusedSums(centres), torch.from_numpy(rng.integers(90, size=140))
    points = centres[atom, 0] + torch.from_numpy(rng.normal(size=(140, d)))
    points[:2] += 300
    squares = (centres[atom] - points[:, None]).square().sum(2) / 2
    least = squares.amin(1)
    own = OwnAtom(atom, torch.from_numpy(group_of)[atom], least, (least[:, None] - squares).exp().sum(1))
    whole = resident_log_totals(kernel, points, groups, own)
    order = torch.from_numpy(rng.permutation(140))
    mixed = resident_log_totals(kernel, points[order], groups, OwnAtom(*(field[order] for field in own)))
    assert torch.equal(whole[:, order], mixed)
    with smaller_tiles(50 * kernel.numbers(groups) / 2**26):  # 50 points each
        assert torch.equal(whole, resident_log_totals(kernel, points, groups, own))
"""

APART = """
from ib_core.mixture.kernels.fused import near
n, near.WORTH = 2500, 0.8  # few atoms are never far apart enough
for d, beta, count in ((2, 0.01, 1), (18, 0.003, 1), (7, 0.003, 3)):
    means = np.tanh(2 * rng.normal(size=(n, d)))
    group_of = rng.integers(2, size=n)
    order = spatial_order(means, group_of)
    means, group_of = means[order], group_of[order]
    centres = torch.from_numpy((means[:, None] + beta * rng.normal(size=(n, 2, d))) / beta)
    ends = np.searchsorted(group_of, [0, 1, 2])
    groups = Groups(rng.dirichlet(np.ones(n), size=count).T, [slice(*ends[:2]), slice(*ends[1:])], group_of)
    atom = torch.from_numpy(rng.integers(n, size=200)).sort().values
    points = centres[atom, 0] + torch.from_numpy(rng.normal(size=(200, d)))
    points[:5] = centres[-5:, 1] + torch.from_numpy(rng.normal(size=(5, d)))  # far from their own
    points[5:7] += 1e6  # beyond what sums are right for
    squares = (centres[atom] - points[:, None]).square().sum(2) / 2
    least = squares.amin(1)
    own = OwnAtom(atom, torch.from_numpy(group_of)[atom], least, (least[:, None] - squares).exp().sum(1))
    kernel, every = FusedSums(centres), FusedSums(centres)
    every._near = lambda laws, size: None
    for known in (None, own):
        found = resident_log_totals(kernel, points, groups, known)
        truth = resident_log_totals(every, points, groups, known)
        np.testing.assert_allclose(found, truth, rtol=1e-14)  # the order of the blocks is another
        order = torch.from_numpy(rng.permutation(200))
        some = None if known is None else OwnAtom(*(field[order] for field in known))
        assert torch.equal(found[:, order], resident_log_totals(kernel, points[order], groups, some))
    (boxes,) = kernel._boxes.values()  # there is one
    start = torch.zeros(200)
    start[9] = math.nan
    lists = near.near(boxes, points, least, start, 64)
    # By hand: the blocks of a part that some point of a tile is near to.
    gaps = torch.maximum(boxes.low[None] - points[:, None], points[:, None] - boxes.high[None]).clamp(min=0)
    close = (gaps.square().sum(2) / 2 - least[:, None] <= near.LIMIT) | torch.isnan(start)[:, None]
    for part, (a, b) in enumerate(zip(boxes.first[:-1].tolist(), boxes.first[1:].tolist())):
        for tile in range(4):
            wanted = torch.nonzero(close[64 * tile : 64 * (tile + 1), a:b].any(0))[:, 0]
            assert lists.blocks[part, tile, : lists.counts[part, tile]].tolist() == wanted.tolist()
    assert lists.counts[:, 1:].sum() < 0.8 * 3 * len(boxes.low)
assert near.boxes_of(torch.from_numpy(rng.normal(size=(2, n, 3))), [0, 300, 2500], 64) is None  # all lie together
"""

OWN_PASSES = """
from ib_core.mixture.kernels.fused.own import fused_own_sums
from ib_core.mixture.own_sums import own_sums
for d, n in ((1, 1), (3, 5), (7, 120), (20, 300)):
    centres, row = torch.from_numpy(5 * rng.normal(size=(6, n, d))), torch.from_numpy(rng.integers(6, size=30))
    points = torch.from_numpy(5 * rng.normal(size=(30, d)))
    points[:3] += 1e3
    for without in (None, torch.from_numpy(rng.integers(n, size=30)))[: 1 + (n > 1)]:
        for found, truth in zip(fused_own_sums(points, row, centres, without), own_sums(points, row, centres, without)):
            np.testing.assert_allclose(found, truth, rtol=1e-6)
"""

NORMALS = """
from ib_core.philox.generator import key_words, philox_normals
from ib_core.philox.kernel import fill
for seed in (0, 7):
    found = torch.empty(3000, dtype=torch.float64)
    fill(found, key_words(seed, "x", 3))
    np.testing.assert_allclose(found, philox_normals(3000, torch.device("cpu"), seed, "x", 3), atol=1e-14)
"""

SCRIPTS = {
    "densities": DENSITIES + LAWS,
    "resident": RESIDENT,
    "same bits": SAME_BITS,
    "apart": APART,
    "own passes": OWN_PASSES,
    "normals": NORMALS,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_interpreted_kernels_are_within_their_errors_of_the_twin(script):
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", TWIN + SCRIPTS[script]], env=environment, check=True)


COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ib_core.mixture.kernels.fused import near, own, points, reduce
from ib_core.mixture.kernels.fused.sums import LISTED_STAGES, tiles
from ib_core.philox.kernel import _fill

def built(kernel, kinds, constants, **options):
    signature = {name: "constexpr" if name in constants else kinds[name] for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    made = compile(source, target=GPUTarget("cuda", CAPABILITY, 32), options=options)
    assert made.metadata.shared <= 99 * 2**10  # what every card of these generations has
    return made.asm

def pointers(kind, *names):
    return dict.fromkeys(names, kind)

sizes = pointers("i32", "m", "n", "d", "passes", "laws", "width", "n_parts", "most")
common = sizes | pointers("*i32", "bounds", "part_group", "blocks", "counts", "first")
common |= pointers("*fp64", "out", "weights") | pointers("*i64", "own", "own_group")
for form, width in (("float64", 10), ("float64", 64), ("columns", 16), ("near", 16), ("apart", 256)):
    coordinate, number = ("*fp64", "*fp64") if form == "float64" else ("*fp16", "*fp32")
    kinds = common | pointers(coordinate, "points", "centres")
    kinds |= pointers(number, "start", "start_rest", "norms", "norms_rest")
    for how, lanes in (("one", 1), ("many", 16), ("most", 1), ("sums", 1)):
        if (how in ("most", "sums") and (form, width) != ("float64", 10)) or (how == "many" and width > 16):
            continue
        cut = tiles(form, width, how == "one")
        constants = dict(FORM=form, WHOLE=width <= cut.depth, P=cut.points, A=cut.atoms, D=cut.depth)
        kernel = reduce.one_law if how == "one" else reduce.reduce
        if how != "one":
            constants |= dict(HOW=how, ONE_PASS=False, K=lanes)
        for listed in (False, True)[: 1 + (how in ("one", "many"))]:
            stages = cut.stages + LISTED_STAGES * (listed and how == "one" and width <= cut.depth)
            asm = built(kernel, kinds, constants | {"LISTED": listed}, num_warps=cut.warps, num_stages=stages)
            assert asm["cubin"] and ("ex2.approx" in asm["ptx"]) == (how != "most")
            # Products are tensor-core instructions, in float64 on cards that have them.
            assert ("mma" in asm["ptx"]) == (form != "float64" or CAPABILITY < 120)
kinds = common | pointers("*fp64", "points", "offset") | pointers("fp32", "grid", "reach")
for half in (False, True):
    kind = pointers("*fp16" if half else "*fp64", "scaled") | pointers("*fp32" if half else "*fp64", "start", "rest")
    assert built(points.prepare, kinds | kind, dict(SCALE=1.4, HALF=half, COLUMNS=half, P=64, D=16))["cubin"]
kinds |= pointers("*fp64", "low", "high", "start")
assert built(near._near, kinds, dict(LIMIT=near.LIMIT, P=64, B=near.BLOCKS))["cubin"]
kinds |= pointers("*fp64", "parts", "own_value", "logs") | pointers("*i8", "empty", "wanted", "good")
kinds |= pointers("fp32", "smallest", "largest")
assert built(points.finish, kinds, dict(OWN=True, GROUPS=True, WANTED=True, P=64))["cubin"]
kinds |= pointers("*i64", "row", "without") | pointers("*fp64", "centres", "least", "total")
assert built(own._own, kinds, dict(WITHOUT=True, R=1, C=256, Q=8))["cubin"]
kinds |= pointers("i64", "key_0", "key_1", "count_2", "count_3") | {"pairs": "i32"}
assert built(_fill, kinds, dict(P=512))["cubin"]
"""


@pytest.mark.parametrize("capability", [80, 90, 120])
def test_the_kernels_compile_for_cards(capability):
    # Without a card: the instructions of each generation.
    script = COMPILED.replace("CAPABILITY", str(capability))
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


@pytest.mark.parametrize("d", [2, 300])
def test_the_device_alone_chooses_the_backend(d, monkeypatch):
    centres = np.zeros((3, 1, d))
    assert type(Atoms(centres, 1.0).sums).__name__ == "NumbaKernel"
    assert type(Atoms(centres, 1.0, device="cpu").sums).__name__ == "NumbaKernel"
    assert type(Atoms(centres, 1.0, backend="triton").sums).__name__ == "FusedSums"
    with monkeypatch.context() as patch:  # a device that is no CUDA card
        patch.setattr(arrays, "resident", lambda device: device is not None)
        assert type(Atoms(centres, 1.0, device="cpu").sums) is ResidentSums
        with pytest.raises(ValueError, match="backend \"numba\" computes on the CPU, got device 'cpu'"):
            Atoms(centres, 1.0, backend="numba", device="cpu")
    monkeypatch.setattr("triton.__version__", "3.4.0")
    monkeypatch.delitem(sys.modules, "ib_core.mixture.kernels.fused.sums")
    with pytest.raises(ModuleNotFoundError, match=r"triton must be 3\.5 or newer"):
        Atoms(centres, 1.0, backend="triton")
