"""A small sweep made up from formulas: the tables a real one would write, in milliseconds and the same every time.

The numbers have the shape of real ones (information falls with depth and noise, rises and then shrinks a little over
training, bounds are the theorems' own), so that figures and pages made from them can be judged by eye.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from ib_core.laws.input_law import InputLaw
from tasks.sweep.bottleneck import bottleneck_table
from tasks.sweep.schema import CHECKPOINT, shaped
from tasks.sweep.tables import SweepTables, write_tables

SWEEP = "szt"
FIFTEEN = InputLaw(np.eye(15), np.full(15, 1 / 15), (np.arange(15) < 7).astype(int))
NETWORK = "tanh-12-10-7-5-4-3-2"
WIDTHS = (10, 7, 5, 4, 3)
N_ATOMS = 4096
BETAS, SEEDS, EPOCHS = (0.1, 0.5), (0, 1), (1, 4, 16, 64, 256, 1000)
FAMILIES = {
    "contamination": ("tv", (0.0, 0.05, 0.1, 0.2)),
    "hamming_tilt": ("kl", (0.0, 0.01, 0.05, 0.2)),
    "class_tilt": ("kl", (0.0, 0.01, 0.05, 0.2)),
    "gaussian_displacement": ("w2", (0.0, 0.1, 0.2, 0.4)),
}
LAYERS = range(1, len(WIDTHS) + 1)
BALLS = [("tv", size) for size in (0.05, 0.1, 0.2)] + [("kl", size) for size in (0.01, 0.05, 0.2)]


def synthetic_tables(
    betas: tuple = BETAS, seeds: tuple = SEEDS, epochs: tuple = EPOCHS, seed: int = 0, families: dict = FAMILIES
) -> SweepTables:
    """All tables of the made-up sweep."""
    laws = [("reference", "none", 0.0)]
    laws += [(family, metric, size) for family, (metric, sizes) in families.items() for size in sizes]
    rng = np.random.default_rng(seed)
    information, bounds, history, known, attribution, worst_case = [], [], [], [], [], []
    for beta in betas:
        for network_seed in seeds:
            wobble = 1 + 0.02 * rng.standard_normal()
            for epoch in epochs:
                where = {"sweep": SWEEP, "network": NETWORK, "beta": beta, "seed": network_seed, "epoch": epoch}
                where["split"] = "all"
                checkpoint = {key: where[key] for key in CHECKPOINT}
                history.append({**checkpoint, **_history(epoch, beta)})
                known += [checkpoint | _known(layer, beta) for layer in LAYERS]
                for shift, metric, size in laws:
                    law = {"shift": shift, "size": size, "metric": metric}
                    accuracy = _accuracy(epoch, beta) - 0.2 * _strength(shift, metric, size)
                    information.append(where | law | _row(0, "accuracy", "noisy_forward", accuracy, 0.002, half=0.006))
                    for layer, width in enumerate(WIDTHS, start=1):
                        clean = wobble * _information(layer, beta, epoch)
                        change = -clean * _strength(shift, metric, size) * (1.4 - 0.2 * layer)
                        information += [where | law | row for row in _layer_rows(layer, width, beta, clean, change)]
                        if shift != "reference":
                            bounds += [where | law | row for row in _bound_rows(layer, beta, law, abs(change))]
                        if metric in ("tv", "kl") and size > 0:
                            attribution.append(where | law | {"layer": layer} | _attribution(law, change))
                for layer in LAYERS if epoch == epochs[-1] else ():
                    clean = wobble * _information(layer, beta, epoch)
                    worst_case += [where | _worst_case(layer, beta, clean, *ball) for ball in BALLS]
    return SweepTables(
        information=shaped("information", information),
        bounds=shaped("bounds", bounds),
        attribution=shaped("attribution", attribution),
        worst_case=shaped("worst_case", worst_case),
        measures=shaped("measures", []),
        bottleneck=bottleneck_table(FIFTEEN),
        laws=shaped("laws", [_law(*law) for law in laws]),
        examples=shaped("examples", []),
        history=shaped("history", history),
        layers=shaped("layers", known),
        signals=_signals(rng, betas, seeds, epochs[-1]),
        config={"name": SWEEP, "betas": list(betas), "seeds": list(seeds), "estimator": {"n_passes": 20, "draws": 4}},
        sweep=SWEEP,
    )


def write_synthetic_sweep(folder: Path, tables: SweepTables) -> Path:
    """Write what `workspace/sweeps/<sweep>/` holds for these tables; returns `folder`."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    write_tables(tables, folder)
    (folder / "report.html").write_text("<!doctype html><title>szt</title><h1>A report</h1>")
    (folder / "figures" / "information_vs_shift.png").write_bytes(_ONE_PIXEL)
    return folder


def _strength(shift: str, metric: str, size: float) -> float:
    """How strongly a law of this size pulls on the information: linear in TV and W_2, a square root in KL."""
    rate = {"contamination": 0.9, "hamming_tilt": 0.25, "class_tilt": 0.12, "gaussian_displacement": 0.5}
    return 0.0 if size == 0 else rate.get(shift, 0.05) * (math.sqrt(size) if metric == "kl" else size)


def _information(layer: int, beta: float, epoch: int) -> float:
    """Nats in a layer: less with depth and noise; a rise with fitting and a slow compression after it."""
    depth = math.exp(-0.42 * (layer - 1) * (beta / 0.1) ** 0.25)
    fitting = 0.45 + 0.6 * (1 - math.exp(-epoch / 40)) - 0.03 * math.log(1 + epoch / 100)
    return math.log(N_ATOMS) * (0.1 / beta) ** 0.3 * depth * (fitting if layer > 1 else 1)


def _accuracy(epoch: int, beta: float) -> float:
    return 0.5 + (0.48 - 0.2 * beta) * (1 - math.exp(-epoch / 60))


def _history(epoch: int, beta: float) -> dict:
    train = _accuracy(epoch, beta)
    loss = 0.69 * math.exp(-epoch / 80) + 0.05
    noisy = {"train_loss": loss, "train_accuracy": train, "test_loss": 1.1 * loss, "test_accuracy": train - 0.01}
    return {**noisy, "train_clean_accuracy": min(train + 0.02, 1.0), "test_clean_accuracy": min(train + 0.01, 1.0)}


def _known(layer: int, beta: float) -> dict:
    """A bounded layer that nothing passes by."""
    d = WIDTHS[layer - 1]
    return {
        **{"layer": layer, "name": f"act{layer}", "shape": str(d), "d": d, "noise": beta, "half_width": 1.0},
        **{"power": 0.8, "capacity": _capacity(d, beta), "lipschitz": math.sqrt(d) * 1.5**layer, "cut": True},
    }


def _row(layer: int, quantity: str, estimator: str, value: float, stderr: float, half: float = 0.0) -> dict:
    saturation = value / math.log(N_ATOMS) if quantity == "I_X_T" else math.nan
    return {
        **{"layer": layer, "quantity": quantity, "estimator": estimator, "value": value},
        **{"stderr": stderr, "lower": value - half, "upper": value + half, "n_atoms": N_ATOMS, "n_passes": 20},
        **{"draws": 4, "saturation": saturation, "form": "split" if estimator == "lower" else "", "reached": True},
        **{"status": "ok", "device": "cpu", "code": "0" * 12},
    }


def _layer_rows(layer: int, width: int, beta: float, clean: float, change: float) -> list[dict]:
    """One layer under one law: brackets, label information, entropies and the difference to the clean law."""
    value, gap, stderr = clean + change, 0.02 * layer, 0.004
    label = min(0.69, 0.25 * value)
    noise = 0.5 * width * math.log(2 * math.pi * math.e * beta**2)
    rows = [
        _row(layer, "I_X_T", "upper", value + gap, stderr),
        _row(layer, "I_X_T", "lower", value - gap, stderr),
        _row(layer, "I_T_Y", "upper", label, 0.001),
        _row(layer, "I_T_Y", "lower", label - 0.01, 0.001),
        _row(layer, "dI_X_T", "bracket", change, 0.002, half=0.006),
        _row(layer, "dI_X_T", "upper", change, 0.002),
        _row(layer, "dI_X_T", "lower", change, 0.002),
        _row(layer, "I_X_T", "plug_in", value + 2 * gap, stderr),
        _row(layer, "h_T", "upper", value + noise, stderr),
        _row(layer, "h_T_given_X", "upper", noise, stderr),
    ]
    for low, high in ((rows[1], rows[0]), (rows[3], rows[2]), (rows[6], rows[5])):
        bracket = {"lower": low["value"] - 3 * low["stderr"], "upper": high["value"] + 3 * high["stderr"]}
        low.update(bracket)
        high.update(bracket)
    return rows


def _law(shift: str, metric: str, size: float) -> dict:
    """The row of the laws table: a moved law has TV 1 and infinite KL, a reweighted one has them finite."""
    tv, kl, w2 = _distances(metric, size)
    how = "coupling upper bound" if metric == "w2" else "exact"
    kind = "reference" if shift == "reference" else "moved" if metric == "w2" else "reweighted"
    return {
        **{"law": f"{shift}-{size!r}", "split": "all", "shift": shift, "size": size, "metric": metric, "kind": kind},
        **{
            "parameter": size,
            "n_atoms": N_ATOMS,
            "n_union": N_ATOMS if kind != "moved" else 2 * N_ATOMS,
            "label_entropy": _binary_entropy(2118 / 4096),
            "entropy": math.log(N_ATOMS) * (1 - 0.1 * tv),
            **{"label": 1, "p_label": 2118 / 4096, "p_label_before": 2118 / 4096},
        },
        **{
            "tv": tv,
            "tv_how": "exact",
            "kl": kl,
            "kl_how": "exact",
            "w1": 0.9 * w2,
            "w1_how": how,
            "w2": w2,
            "w2_how": how,
        },
    }


def _distances(metric: str, size: float) -> tuple[float, float, float]:
    """TV, KL and W_2 of a law whose size is given in one of them."""
    if metric == "w2" and size > 0:
        return 1.0, math.inf, size
    tv = math.sqrt(size / 2) if metric == "kl" else size
    kl = size if metric == "kl" else size * math.log(1 + 9 * size)
    return tv, kl, 2 * tv


def _bound_rows(layer: int, beta: float, law: dict, measured: float) -> list[dict]:
    """The shift theorems and the estimation risks for one layer and law."""
    tv, kl, w2 = _distances(law["metric"], law["size"])
    capacity = min(_capacity(d, beta) for d in WIDTHS[:layer])
    cap = min(math.log(N_ATOMS), capacity)
    pinsker = min(math.sqrt(kl / 2), math.sqrt(1 - math.exp(-kl)))
    found = {
        "tv_seed": tv * math.log(N_ATOMS - 1) + _binary_entropy(tv),
        "tv_capacity": tv * capacity + _binary_entropy(min(tv, 0.5)),
        "tv_golden": 1.5 * cap * tv if kl < math.inf else math.inf,
        "kl_seed": pinsker * math.log(N_ATOMS - 1) + _binary_entropy(min(pinsker, 0.5)) if kl < math.inf else math.inf,
        "kl_capacity": pinsker * capacity + _binary_entropy(min(pinsker, 0.5)) if kl < math.inf else capacity,
        "kl_pointwise": cap * pinsker + kl,
        "kl_golden": 0.8 * cap * math.sqrt(kl),
        "wasserstein": math.sqrt(WIDTHS[layer - 1]) * 1.5**layer / beta * 2 * w2,
        "polyanskiy_wu": 2 * math.sqrt(WIDTHS[layer - 1]) * 1.5**layer / beta**2 * 2 * w2,
    }
    if law["metric"] == "w2":
        found["wasserstein_coupled"] = found["wasserstein"] / 3
    tightest = min(found, key=lambda name: found[name])
    rows = [
        _bound_row(layer, name, "deviation", bound, measured, cap, tightest=name == tightest)
        for name, bound in found.items()
    ]
    risks = {"estimation_risk": 0.3 * layer, "information_risk": 0.5 * layer, "information_risk_slides": 0.1 * layer}
    rows += [_bound_row(layer, name, "estimation", bound, None, cap, tightest=False) for name, bound in risks.items()]
    both = found[tightest] + risks["estimation_risk"]
    return [*rows, _bound_row(layer, "shift_and_risk", "shifted_estimate", both, None, cap, tightest=False)]


def _attribution(law: dict, change: float) -> dict:
    """A change as first order less divergence, and as mass plus mixing; the parts add up."""
    epsilon, kl, _ = _distances(law["metric"], law["size"])
    divergence = min(0.3 * abs(change), kl)
    parts = {"change": change, "predicted": change + divergence, "divergence": divergence}
    parts |= {"mass": 1.4 * change, "mixing": -0.4 * change}
    ends = {"change_low": change - 0.006, "change_high": change + 0.006, "removed_low": 0.0, "removed_high": 1.0}
    return {"epsilon": epsilon, **ends, "added_low": 0.0, "added_high": 1.0} | {
        name + end: value for name, part in parts.items() for end, value in (("", part), ("_stderr", 0.002))
    }


def _worst_case(layer: int, beta: float, clean: float, metric: str, size: float) -> dict:
    """The extremes of a ball: within the bounds, which are those of the shifts at that size."""
    law = {"metric": metric, "size": size}
    bounds = {row["theorem"]: row["bound"] for row in _bound_rows(layer, beta, law, 0.0)}
    mine = {name: bound for name, bound in bounds.items() if name.startswith(metric)}
    theorem = min(mine, key=lambda name: mine[name])
    rise, fall, bound = 0.4 * mine[theorem], min(0.3 * mine[theorem], clean), mine[theorem]
    cap = min(math.log(N_ATOMS), *(_capacity(d, beta) for d in WIDTHS[:layer]))
    epsilon, kl, _ = _distances(metric, size)
    values = {"reference": clean, "largest": clean + rise, "rise": rise, "smallest": clean - fall, "fall": fall}
    return {
        **law,
        **{"layer": layer, "lower": max(clean - bound, 0.0), "upper": clean + bound, "bound": bound, "cap": cap},
        **{name + end: value for name, part in values.items() for end, value in (("", part), ("_stderr", 0.003))},
        **{f"{form}_form": mine.get(f"{metric}_{form}", math.nan) for form in ("capacity", "pointwise", "golden")},
        **{"seed_form": mine[f"{metric}_seed"], "theorem": theorem, "vacuous": bound >= cap, "holds": True},
        **{
            "channel_reference": clean,
            "channel_largest": clean + 1.02 * rise,
            "gap": 4e-7,
            "iterations": 20,
            "reached": True,
        },
        **{"tv": epsilon, "kl": kl, "law": f"worst_case/b{beta!r}-L{layer}.parquet#{metric}_{size!r}"},
    }


def _capacity(d: int, beta: float) -> float:
    return d * math.log(1 + 2 / (beta * math.sqrt(2 * math.pi * math.e)))


def _bound_row(
    layer: int, theorem: str, concerns: str, bound: float, measured: float | None, cap: float, tightest: bool
) -> dict:
    holds = None if measured is None else measured - 0.006 <= bound
    measured, stderr = (math.nan, math.nan) if measured is None else (measured, 0.002)
    golden = {"lower": 0.0, "upper": 2 * cap} if theorem.endswith("golden") else {"lower": math.nan, "upper": math.nan}
    return {
        **{"layer": layer, "theorem": theorem, "concerns": concerns, "bound": bound, "measured": measured},
        **{"measured_stderr": stderr, "slack": bound - measured, "cap": cap, "vacuous": bound >= cap},
        **{"holds": holds, "tightest": tightest, **golden, "monte_carlo": 0.0, "note": ""},
    }


def _binary_entropy(p: float) -> float:
    return 0.0 if p in (0, 1) else -p * math.log(p) - (1 - p) * math.log(1 - p)


def _signals(rng: np.random.Generator, betas: tuple, seeds: tuple, epoch: int) -> pd.DataFrame:
    """Signals of the deepest layer at the final epoch: two classes, a little apart, 64 atoms a network."""
    rows = []
    for beta in betas:
        for seed in seeds:
            for atom in range(64):
                s = np.tanh(rng.normal(1.5 if atom % 2 else -1.5, 0.8, WIDTHS[-1])).tolist()
                where = {
                    "network": NETWORK,
                    "beta": beta,
                    "seed": seed,
                    "epoch": epoch,
                    "split": "all",
                    "layer": len(WIDTHS),
                }
                rows.append(where | {"atom": atom, "label": atom % 2, "s": s})
    return shaped("signals", rows)


_ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
