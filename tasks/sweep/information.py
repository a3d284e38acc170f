"""Stage `information`: sample propagation for one layer of one checkpoint, under all laws that share its atoms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core.channels import attribution
from ib_core.estimate import Estimate, centred, interval
from ib_core.estimators.cost import layer_cost
from ib_core.estimators.layer_information import LayerInformation
from ib_core.estimators.network_layer import MOVED, SHIFTED, network_layer_information
from ib_core.laws import coupling
from ib_core.laws.input_law import InputLaw
from ib_core.mixture.signal_blocks import SignalBlocks
from tasks.engine.device import devices
from tasks.engine.recipe import Cost, Recipe, draws_to_reach
from tasks.store.parquet import read_table, write_table
from tasks.sweep.activations import Activations, signals_by_block
from tasks.sweep.laws import Law, law_of
from tasks.sweep.networks import checkpoint
from tasks.sweep.sampling import Sampling
from tasks.sweep.schema import ATTRIBUTION
from tasks.sweep.slices import Slices, slice_rows, wide_directions

LOWER = "data.atoms, estimator.stored_passes, estimator.own_passes"


@dataclass(frozen=True, eq=False)
class Information(Recipe):
    """Sample propagation of one layer of one checkpoint under all laws on its atoms: the columns of one cell.

    One evaluation of the kernel and the same draws serve all laws. The stored passes are the pooled ones of the
    estimator; its own passes are propagated from the checkpoint, block by block.

    Attributes:
        activations: the stored passes.
        layer: which, from 1.
        laws: by name; changes are held against the first.
        reference: activations of the reference law, which are the cell's own unless its law has moved.
        sampling: how.
        pointwise_draws: least draws of each atom for i(x).
        slices: which projections are measured too.
    """

    stage: ClassVar[str] = "information"
    activations: Activations
    layer: int
    laws: Mapping[str, Law]
    reference: Activations
    sampling: Sampling
    pointwise_draws: int
    slices: Slices

    @property
    def label(self) -> str:
        return f"{self.activations.label}/L{self.layer}"

    @property
    def moved(self) -> bool:
        """Whether its law has other atoms than the reference."""
        return self.activations.law.kind == "moved"

    @property
    def on_card(self) -> bool:
        return self.sampling.device is not None

    def cost(self) -> Cost:
        network, sampling = self.activations.network, self.sampling
        n = self.activations.law.n_atoms
        most = sampling.max_draws or max(64 * n, 2**18)
        draws = 0.2 * draws_to_reach(sampling.target_stderr, 2 * most) / sampling.relaxed**2
        draws = max(2 * n, draws)
        draws += max(draws, self.pointwise_draws * n)
        found = layer_cost(
            n,
            network.hidden[: self.layer],
            network.design.products[: self.layer],
            n_passes=self.activations.passes(self.layer),
            n_own=0 if self.layer == 1 else sampling.own_passes_of(self.activations, self.layer),
            draws=int(draws),
            wide=self.wide,
            n_laws=len(self.laws),
            columns=3 * len(self.laws),
        )
        if self.wide:
            return Cost(found.seconds, 1e5, found.bytes, LOWER)
        return Cost(found.seconds * (1 + self.slices.share), 1e5, found.bytes, f"{LOWER}, estimator.widest")

    def build(self, out: Path) -> None:
        """Write what one cell knows, in nats.

        estimates.parquet: law, quantity and estimator; I_X_UT, the information of slices, where the settings ask for
        them or, "auto", where the layer is saturated under the first law. attribution.parquet: where the change of each
        law comes from. pointwise.parquet: i(x) under the first law. steps.parquet, for moved atoms: how far their
        signals moved.
        """
        torch.set_num_threads(1)
        names, laws = list(self.laws), [law_of(law) for law in self.laws.values()]
        stored = signals_by_block(self.activations, self.layer)
        parts = [attribution.parts(laws[0].weights, law.weights) for law in laws[1:]]
        kinds = [law.kind for law in self.laws.values()]
        targets = [1.0 if kind == "reference" else MOVED if self.moved else SHIFTED for kind in kinds]
        information, form = self._measured(stored, laws, parts, targets)
        sizes: dict[str, Any] = {"n_atoms": stored.shape[0], "n_passes": stored.shape[1], "draws": information.draws}
        sizes |= {"device": devices()}
        estimates = _estimates(information, names, self.moved, self.wide, form).assign(**sizes)
        if self.slices.wanted(information.saturation[0]):
            here = dict(zip(names, laws, strict=True))
            where = self.activations, self.reference, self.layer
            rows = slice_rows(self.slices, self.sampling, *where, stored, here, targets)
            estimates = pd.concat([estimates, rows.assign(**(sizes | {"draws": rows["draws"]}))], ignore_index=True)
        write_table(out / "estimates.parquet", estimates)
        write_table(out / "attribution.parquet", _origins(information, laws, names, [] if self.wide else parts))
        found = {
            "pointwise": information.pointwise,
            "stderr": information.pointwise_stderr,
            "low": information.pointwise_low,
        }
        first = {name: np.ascontiguousarray(part[:, 0]) for name, part in found.items()}
        write_table(out / "pointwise.parquet", pa.table({"atom": np.arange(stored.shape[0]), **first}))
        if self.moved:
            steps = _steps(signals_by_block(self.reference, self.layer), stored, laws[0].weights)
            write_table(out / "steps.parquet", pd.DataFrame([{"law": names[0], **steps._asdict()}]))

    @property
    def wide(self) -> bool:
        """Whether the layer is enclosed by a projection from below and H(X) from above."""
        return self.activations.is_wide(self.layer)

    def _measured(
        self, stored: SignalBlocks, laws: list[InputLaw], parts: list[attribution.Parts], targets: list[float]
    ) -> tuple[LayerInformation, str]:
        """The ends under every law, and what the name of their form has behind it."""
        weights = [law.weights for law in laws]
        if not self.wide:
            # Mass that leaves and mass that arrives are columns too. They enter times eps, so that they may err more,
            # and many laws move the same mass: rounded, such columns are equal and counted once.
            weights += [np.round(part, 15) for each in parts for part in (each.removed, each.added)]
            targets = targets + [SHIFTED / max(each.epsilon, 1e-9) for each in parts for _ in range(2)]
        directions = wide_directions(self.reference, self.layer, self.sampling.seed) if self.wide else None
        information = network_layer_information(
            checkpoint(self.activations.network, self.activations.epoch),
            self.layer,
            laws[0].atoms,
            stored,
            own_passes=self.sampling.own_passes,
            passes_seed=self.activations.network.seed,
            directions=directions,
            weights=np.stack(weights, axis=1),
            labels=laws[0].labels,
            pointwise_draws=self.pointwise_draws,
            **self.sampling.options(targets),
        )
        return information, "" if directions is None else f", {len(directions)} directions"


def cell_table(cell: Information, name: str) -> pd.DataFrame:
    """A stored table of a cell: "estimates", "attribution", "pointwise" or "steps"."""
    return read_table(cell.file(f"{name}.parquet")).to_pandas()


def _steps(signals: SignalBlocks, moved: SignalBlocks, weights: np.ndarray) -> coupling.Steps:
    """How far the signals moved, block by block."""
    n, size = len(weights), min(signals.size, moved.size)
    squares = []
    for first in range(0, n, size):
        here, there = (np.asarray(each.of(first, min(first + size, n)), np.float64) for each in (signals, moved))
        squares.append(np.square(here - there).sum(axis=2))
    return coupling.moments(np.concatenate(squares), weights)


def _estimates(information: LayerInformation, names: list[str], moved: bool, wide: bool, how: str) -> pd.DataFrame:
    """One row for each law, quantity and estimator.

    "upper" and "lower" are the two ends, both with the bracket that they make; "bracket", for a change, is its middle
    with the standard error of which `WIDTH` reach its ends; "plug_in" is the information of the stored passes.

    Args:
        information: of the cell.
        names: of its laws.
        moved: whether they have other atoms than the reference.
        wide: whether the layer is known by a projection, then nothing is known of its plug-in and its entropy.
        how: what the form of the lower end has behind its name.
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
            chosen = f"{form}{how}" if (quantity, estimator) == ("I_X_T", "lower") else ""
            rows.append({**facts, **row, "lower": low, "upper": high, "saturation": saturation, "form": chosen})

        ends = tuple(float(end[k]) for end in information.bracket)
        add("I_X_T", "upper", information.upper, ends)
        add("I_X_T", "lower", information.lower, ends)
        if not wide:
            add("I_X_T", "plug_in", information.plug_in)
        ends = tuple(float(end[k]) for end in information.label_bracket or ())
        add("I_T_Y", "upper", information.label_upper, ends)
        add("I_T_Y", "lower", information.label_lower, ends)
        if not wide:
            add("h_T", "upper", information.entropy)
            add("h_T_given_X", "upper", information.conditional_entropy)
        low, high = information.change(k, 0)
        ends = information.change_bracket(k, 0)
        add("dI_X_T", "upper", high, ends)
        add("dI_X_T", "lower", low, ends)
        add("dI_X_T", "bracket", centred(*ends), ends)
        if moved and not wide:  # whose changes are those from another cell, which the tables put here
            add("dI_X_T", "plug_in", Estimate(0.0, 0.0))
    return pd.DataFrame(rows)


def _origins(
    information: LayerInformation, laws: list[InputLaw], names: list[str], parts: list[attribution.Parts]
) -> pd.DataFrame:
    """One row for each law but the first: its change as predicted - divergence, and as mass + mixing."""
    reference, i, errors = laws[0].weights, information.pointwise[:, 0], information.pointwise_stderr[:, 0]
    rows = []
    for k, (law, part) in enumerate(zip(laws[1:], parts, strict=False), start=1):
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
