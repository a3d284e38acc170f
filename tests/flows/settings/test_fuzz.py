"""Thousands of random and damaged settings: each is read as it stands, or refused in one line."""

import copy
import math
import random
import re
import sys

import numpy as np
import pytest
import torch
import yaml
from tiny import TINY

from flows.execution.plan import build_plan
from flows.settings.load import load_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from tasks.store.store import canonical

SHIFTS = [
    {"family": "direction_displacement", "sizes": [0.1], "parameters": {"column": 3}},
    {"family": "feature_tilt", "sizes": [0.1], "parameters": {"column": 3}},
    {"family": "class_prior", "sizes": [0.1], "parameters": {"label": 1}},
]
DATA = {"source": "szt", "path": None, "part": "both", "atoms": 64, "seed": 0}
NETWORK = {"source": "mlp", "activation": "tanh", "batch_norm": False, "initial_weights": "glorot", "noise": "absolute"}
TRAINING = {"optimizer": "sgd", "momentum": 0.5, "final_learning_rate": 0.001, "weight_decay": 0.0, "orthonormal": 0.0}
ROBUST = {"objective": "tv_dro", "radius": 0.1, "loss": "squared", "untrained": True}
SEEN = {"family": "class_prior", "size": 0.1, "share": 0.5, "parameters": {"label": 1}}
SWEEP = TINY | {
    "data": DATA,
    "network": TINY["network"] | NETWORK | {"training": {"epochs": 1, "shift": SEEN}},
    "training": TINY["training"] | TRAINING | ROBUST | {"shift": SEEN},
    "shifts": TINY["shifts"] + SHIFTS,
    "estimator": TINY["estimator"] | {"slices": "none"},
}
CALIBRATION = {
    "study": "calibration",
    "name": "small",
    "entropy": {"laws": [{"law": "hypercube", "betas": [0.5]}], "dimensions": [1], "samples": [4]},
    "chain": {"passes": [4], "sampled": [4]},
}
NUMBERS = """
    0 1 -1 2 3 12 4096 010 0o10 0x10 0b11 1_000 1:30 1:30:00 190:20:30 1e3 1E3 1.e3 1. .5 +1 -0 0.0 -0.0 1e-400 1e400
    1e308 1e-308 5e-324 -1e308 9999999999999999999999 9007199254740993 99999999999999999999999999e-20 1..2 1e 1e+ 0. 00
    -010 1,5 1.5.2 1/2 50% .inf -.inf .nan NaN inf nan 2024-01-01 2024-01-01T00:00:00Z 12:00 ٣ ½ 0.3 7 1e-3
"""
TEXTS = """
    yes no on off y n true false True FALSE null Null ~ '1' "0.1" 'yes' "" all last none auto random tanh szt hypercube
    contamination x.csv#w os.path.join no.such.x ../x a/b é 名 "\\0" "a\\nb" $HOME ~/x = - ? @ ` % | > # , ] } {a:1}
    [] {} [[]] [{}] [1] [0.1] [0.1,0.1] [1e999] [null] [yes] [010] [1:30] &a *a !!int !!python/object:os.system <<
"""
WORDS = [*NUMBERS.split(), *TEXTS.split(), "{kind: random, n: 2}", "a: b: c", "\t1", "1 # one", "1 2", "x" * 5000]
TESTED = 400  # documents for each seed


NETS = """
from torch import nn

def build(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The settings of a sweep on points and a network of a user's own."""
    folder, path = tmp_path_factory.mktemp("own"), sys.path.copy()
    (folder / "fuzzed_nets.py").write_text(NETS)
    np.savez(folder / "points.npz", x=np.random.default_rng(0).normal(size=(40, 2)), y=np.arange(40) % 2)
    sys.path.append(str(folder))
    import fuzzed_nets

    torch.save(fuzzed_nets.build().state_dict(), folder / "w_3.pt")
    network = {
        "training": {},
        "source": "fuzzed_nets:build",
        "weights": str(folder / "w_*.pt"),
        "layers": ["1"],
        "betas": [0.1],
    }
    yield SWEEP | {
        "data": {"source": str(folder / "points.npz"), "part": "all", "atoms": 30},
        "network": network | {"parameters": {"width": 3}, "noise": "relative"},
        "training": "none",
        "shifts": TINY["shifts"],
    }
    sys.path[:] = path
    sys.modules.pop("fuzzed_nets", None)


def places(value, path=()):
    """Paths of everything in a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, part in parts for place in places(part, (*path, key))]


def told(read):
    """The settings, whose plan can be made; or the one line that refuses them."""
    try:
        config = read()
    except ConfigError as error:
        line = str(error)
        assert line.isprintable() and 10 < len(line) <= 1000, line
        return None
    for unit in build_plan(config):
        canonical(unit.settings)
        cost = unit.cost()
        assert math.isfinite(cost.seconds) and cost.seconds >= 0 and math.isfinite(cost.bytes), unit.label
    return config


def as_written(word, value):
    """Whether a setting is what its plain word shows: nothing, text letter by letter, or a decimal number."""
    if value is None or isinstance(value, str):
        return word in ("null", "Null", "~") if value is None else word == value
    if isinstance(value, bool):
        return word.lower() == str(value).lower()
    plain = re.match(r"[-+]?(0$|0[.eE]|[1-9.])", word)
    return plain and type(value)(float(word) if "e" in word else word) == value


@pytest.mark.parametrize("seed", range(4))
def test_a_word_in_place_of_a_setting_is_taken_as_written_or_refused(seed, own):
    rng, accepted = random.Random(seed), 0
    for _ in range(TESTED):
        shipped, document = rng.choice([("szt", SWEEP), ("szt", own), ("calibration", CALIBRATION)])
        path, word = rng.choice(places(document)), rng.choice(WORDS)
        text = ".".join(map(str, path)) + "=" + word
        config = told(lambda: load_config(shipped, copy.deepcopy(document) | parse_overrides([text])))  # noqa: B023
        if config is None:
            continue
        accepted += 1
        value = config.model_dump()
        for key in path:
            value = value[key]
        if not isinstance(value, list | dict) and word[0] not in "'\"[{|>":
            assert as_written(word.partition(" #")[0], value), (text, value)
    assert 0 < accepted < TESTED / 2


def cut(rng, text):
    return text[: rng.randrange(len(text) + 1)]


def flip(rng, text):
    content = bytearray(text or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def put(rng, text):
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice([*WORDS, "\t", "\n", "\r", " ", "---\n", "\ufeff", "\0"]).encode() + text[place:]


def double(rng, text):
    lines = text.splitlines(keepends=True) or [b""]
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def move(rng, text):
    lines = text.splitlines(keepends=True) or [b""]
    line = rng.randrange(len(lines))
    lines[line] = rng.choice([lines[line].lstrip(), b"  " + lines[line], b"\t" + lines[line], b"- " + lines[line]])
    return b"".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_settings_or_one_line(seed, tmp_path, own):
    rng = random.Random(seed)
    path = tmp_path / "sweep.yaml"
    for _ in range(TESTED):
        text = yaml.safe_dump(rng.choice([SWEEP, own, CALIBRATION]), sort_keys=False).encode()
        for _ in range(rng.randint(1, 3)):
            text = rng.choice([cut, flip, put, double, move])(rng, text)
        path.write_bytes(text)
        told(lambda: load_config(str(path)))
