"""Stage `information`: sample propagation for one layer of one checkpoint, under all laws that share its atoms."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core.channels import attribution
from ib_core.estimate import WIDTH, Estimate, interval
from ib_core.estimators.sample_propagation import LayerInformation, layer_information
from ib_core.estimators.sliced import (
    SlicedInformation,
    discriminant_directions,
    mean_sliced_information,
    principal_directions,
    random_directions,
    sliced_information,
)
from ib_core.laws import coupling
from ib_core.laws.input_law import InputLaw
from ib_core.mixture.own_passes import OwnPasses
from ib_core.networks.passes import noisy_passes, own_signals
from tasks.activations import network_of, read_signals
from tasks.store import Result
from tasks.tables import read_law, write_table

# "predicted" is the first order of "change", "divergence" what it is short of, D(P'_T || P_T): of upper ends on common
# draws. The ends of the change, and of what the mass that leaves or arrives knows, are those of their brackets.
ATTRIBUTION = [
    "epsilon",
    *(f"{part}{end}" for part in ("change", "predicted", "divergence", "mass", "mixing") for end in ("", "_stderr")),
    *(f"{part}_{end}" for part in ("change", "removed", "added") for end in ("low", "high")),
]

REFERENCE = "reference"
SATURATED = 0.95  # of H(X): above it "auto" slices are measured
DIRECTION_PASSES, DIRECTION_ATOMS = 8, 2048  # that directions of slices are found from
# Times the target of the reference law, which all changes are held against: of laws on its atoms, whose changes share
# draws with it, and of moved ones.
SHIFTED, MOVED = 3.0, 2.0


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write what one cell knows, in nats.

    estimates.parquet: law, quantity and estimator; I_X_UT, the information of slices, where the settings ask for them
    or, "auto", where the layer is saturated under the cell's first law. attribution.parquet: where the change of each
    law comes from. pointwise.parquet: i(x) under the first law. steps.parquet, for moved atoms: how far their signals
    moved.

    The laws are the columns of one cell: one evaluation of the kernel and the same draws serve them all. The stored
    passes are the pooled ones of the estimator; its own passes are propagated from the checkpoint, block by block.
    """
    torch.set_num_threads(1)
    laws = [read_law(inputs[f"law {name}"].file("law.parquet")) for name in settings["laws"]]
    stored = read_signals(inputs["activations"], settings["layer"])
    parts = [attribution.parts(laws[0].weights, law.weights) for law in laws[1:]]
    # Mass that leaves and mass that arrives are columns too. They enter times eps, so that they may err more, and many
    # laws move the same mass: rounded, such columns are equal and counted once.
    moving = [np.round(part, 15) for each in parts for part in (each.removed, each.added)]
    moved = "reference activations" in inputs
    shifted = MOVED if moved else SHIFTED
    targets = [1.0 if name == REFERENCE else shifted for name in settings["laws"]]
    targets += [SHIFTED / max(each.epsilon, 1e-9) for each in parts for _ in range(2)]
    deterministic = settings["layer"] == 1
    information = layer_information(
        stored,
        settings["beta"],
        own=None if deterministic else own_passes(settings, inputs["network"], laws[0].atoms, "own"),
        deterministic=deterministic,
        weights=np.stack([*(law.weights for law in laws), *moving], axis=1),
        labels=laws[0].labels,
        confidence=settings["confidence"],
        **effort(settings, targets),
        pointwise_draws=settings["pointwise_draws"],
        seed=settings["seed"],
        device=settings.get("device"),
    )
    estimates = _estimates(information, settings["laws"], moved)
    sizes = {"n_atoms": stored.shape[0], "n_passes": stored.shape[1], "draws": information.draws}
    estimates = estimates.assign(**sizes)
    slices = settings["slices"]
    wanted = information.saturation[0] > SATURATED if slices["kind"] == "auto" else slices["kind"] != "none"
    if wanted:
        rows = _slice_rows(_sliced(settings, inputs, stored, laws, targets[: len(laws)]), settings["laws"])
        estimates = pd.concat([estimates, rows.assign(**{**sizes, "draws": rows["draws"]})], ignore_index=True)
    write_table(out / "estimates.parquet", estimates)
    origins = _origins(information, laws, settings["laws"], parts)
    write_table(out / "attribution.parquet", origins)
    columns = {
        "pointwise": information.pointwise,
        "stderr": information.pointwise_stderr,
        "low": information.pointwise_low,
    }
    first = {name: np.ascontiguousarray(part[:, 0]) for name, part in columns.items()}
    write_table(out / "pointwise.parquet", pa.table({"atom": np.arange(len(stored)), **first}))
    if moved:
        reference = read_signals(inputs["reference activations"], settings["layer"])
        steps = coupling.steps(reference, stored, laws[0].weights)
        write_table(out / "steps.parquet", pd.DataFrame([{"law": settings["laws"][0], **steps._asdict()}]))


def effort(settings: dict[str, Any], targets: list[float]) -> dict[str, Any]:
    """The standard errors (K,) that a cell stops at, and its most draws; where it is relaxed, fewer by the square."""
    relaxed, most = settings["relaxed"], settings["max_draws"]
    return {
        "target_stderr": settings["target_stderr"] * relaxed * np.array(targets),
        "max_draws": None if most is None else math.ceil(most / relaxed**2),
    }


def own_passes(settings: dict[str, Any], training: Result, atoms: np.ndarray, purpose: str) -> OwnPasses:
    """Further passes of the network of a cell up to its layer, independent of those of every other purpose."""
    network, seed = network_of(settings, training)
    return own_signals(network, atoms, settings["layer"], settings["own_passes"], seed, purpose)


def _sliced(
    settings: dict[str, Any], inputs: Mapping[str, Result], stored: np.ndarray, laws: list[InputLaw], targets: list
) -> LayerInformation | SlicedInformation:
    """The information of slices under the laws of a cell, on the stored and own passes of the layer itself."""
    options = {
        "own": None,
        "deterministic": settings["layer"] == 1,
        "weights": np.stack([law.weights for law in laws], axis=1),
        "confidence": settings["confidence"],
        **effort(settings, targets),
        "seed": settings["seed"],
        "device": settings.get("device"),
    }
    if not options["deterministic"]:
        options["own"] = own_passes(settings, inputs["network"], laws[0].atoms, "own")
    directions = _directions(settings, inputs, stored.shape[2])
    measure = sliced_information if directions.ndim == 2 else mean_sliced_information
    return measure(stored, settings["beta"], directions, **options)


def _directions(settings: dict[str, Any], inputs: Mapping[str, Result], d: int) -> np.ndarray:
    """U (k, d), or (n, k, d) for random slices: the same for all cells of a layer, whatever law moves the atoms.

    Those that look at signals come from passes of their own of the reference law's atoms. In the first layer, where
    signals are a function of X, they are those of the estimator; U knows nothing of the noise there either.
    """
    kind, k = settings["slices"]["kind"], min(settings["slices"]["k"], d)
    if kind == "random":
        return random_directions(d, k, settings["slices"]["n"], settings["seed"])
    law = read_law(inputs[f"law {REFERENCE}"].file("law.parquet"))
    some = np.unique(np.linspace(0, len(law.atoms) - 1, min(len(law.atoms), DIRECTION_ATOMS)).astype(int))
    network, seed = network_of(settings, inputs["network"])
    passes = noisy_passes(network, law.atoms[some], DIRECTION_PASSES, seed, "directions")
    signals = passes.signals[settings["layer"] - 1]
    if kind == "discriminant":
        return discriminant_directions(signals, law.labels[some], k)
    return principal_directions(signals, k)


def _slice_rows(found: LayerInformation | SlicedInformation, names: list[str]) -> pd.DataFrame:
    """The ends of I(X; U T) for each law, of the mean over slices where there are several; columns of `_estimates`."""
    rows = []
    for k, law in enumerate(names):
        low, high = (float(end[k]) for end in found.bracket)
        facts = {"law": law, "reached": bool(found.reached[k]), "quantity": "I_X_UT"}
        for estimator, end, form in (("upper", found.upper, ""), ("lower", found.lower, found.lower_form[k])):
            assert end is not None  # a cell has own passes, or a deterministic layer
            estimate = {"estimator": estimator, "value": float(end.value[k]), "stderr": float(end.stderr[k])}
            bracket = {"lower": low, "upper": high, "saturation": float(found.saturation[k]), "form": form}
            rows.append({**facts, **estimate, **bracket, "draws": found.draws})
    return pd.DataFrame(rows)


def _estimates(information: LayerInformation, names: list[str], moved: bool) -> pd.DataFrame:
    """One row for each law, quantity and estimator.

    "upper" and "lower" are the two ends, both with the bracket that they make; "bracket", for a change, is its middle
    with a third of its half width as standard error; "plug_in" is the information of the stored passes.

    Args:
        information: of the cell.
        names: of its laws.
        moved: whether they have other atoms than the reference.
    """
    rows: list[dict[str, Any]] = []
    for k, law in enumerate(names):
        facts = {"law": law, "reached": bool(np.atleast_1d(information.reached)[k])}
        form = np.atleast_1d(information.lower_form)[k]

        def add(quantity: str, estimator: str, estimate: Any, ends: Any = None, k=k, facts=facts, form=form) -> None:
            value, stderr = (float(np.reshape(part, -1)[k if np.size(part) > 1 else 0]) for part in estimate)
            low, high = interval(Estimate(value, stderr)) if ends is None else ends
            row = {"quantity": quantity, "estimator": estimator, "value": value, "stderr": stderr}
            saturation = float(information.saturation[k]) if quantity == "I_X_T" else float("nan")
            chosen = form if (quantity, estimator) == ("I_X_T", "lower") else ""
            rows.append({**facts, **row, "lower": low, "upper": high, "saturation": saturation, "form": chosen})

        ends = tuple(float(end[k]) for end in information.bracket)
        add("I_X_T", "upper", information.upper, ends)
        add("I_X_T", "lower", information.lower, ends)
        add("I_X_T", "plug_in", information.plug_in)
        ends = tuple(float(end[k]) for end in information.label_bracket or ())
        add("I_T_Y", "upper", information.label_upper, ends)
        add("I_T_Y", "lower", information.label_lower, ends)
        add("h_T", "upper", information.entropy)
        add("h_T_given_X", "upper", information.conditional_entropy)
        low, high = information.change(k, 0)
        ends = information.change_bracket(k, 0)
        add("dI_X_T", "upper", high, ends)
        add("dI_X_T", "lower", low, ends)
        add("dI_X_T", "bracket", centred(*ends), ends)
        if moved:  # whose changes are those from another cell, which the tables put here
            add("dI_X_T", "plug_in", Estimate(0.0, 0.0))
    return pd.DataFrame(rows)


def centred(low: float, high: float) -> Estimate:
    """The middle of a bracket, with the standard error of which WIDTH reach its ends."""
    return Estimate((low + high) / 2, (high - low) / 2 / WIDTH)


def _origins(
    information: LayerInformation, laws: list[InputLaw], names: list[str], parts: list[attribution.Parts]
) -> pd.DataFrame:
    """One row for each law but the first: its change as predicted - divergence, and as mass + mixing."""
    reference, i, errors = laws[0].weights, information.pointwise[:, 0], information.pointwise_stderr[:, 0]
    rows = []
    for k, (law, part) in enumerate(zip(laws[1:], parts, strict=True), start=1):
        removed = len(laws) + 2 * (k - 1)
        mass = {removed: -part.epsilon, removed + 1: part.epsilon}
        moved = law.weights != reference
        error = np.sqrt(float(np.square((law.weights - reference)[moved]) @ np.square(errors[moved])))
        found = {
            "change": information.difference(k, 0),
            "predicted": (attribution.first_order(i, reference, law.weights), error),
            "divergence": tuple(each[k] for each in information.output_divergence),
            "mass": information.combination(mass),
            "mixing": information.combination({k: 1.0, 0: -1.0} | {at: -share for at, share in mass.items()}),
        }
        numbers = [float(number) for estimate in found.values() for number in estimate]
        numbers += information.change_bracket(k, 0)
        numbers += [float(end[at]) for at in (removed, removed + 1) for end in information.bracket]
        rows.append((names[k], part.epsilon, *numbers))
    return pd.DataFrame(rows, columns=["law", *ATTRIBUTION])
