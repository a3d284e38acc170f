"""Stage `data`: the reference law and its shifts, each with its distances from the reference."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ib_core import szt
from ib_core.divergences import divergences, n_union
from ib_core.input_law import InputLaw
from ib_core.shifts import shifted
from tasks.store import Result
from tasks.tables import write_law

SOURCES = {"szt": szt.law}


def reference_law(source: str) -> InputLaw:
    """The law of a data source, all its atoms enumerated."""
    return SOURCES[source]()


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write law.parquet (one row per atom) and law.json (entropy, distances and how each was obtained)."""
    reference = reference_law(settings["source"])
    law, parameter = shifted(settings["family"], reference, settings["size"], **settings["parameters"])
    write_law(out / "law.parquet", law)
    facts: dict[str, Any] = {
        "parameter": parameter,
        "n_atoms": len(law.atoms),
        "n_union": n_union(reference, law),
        "entropy": law.entropy,
        "p_label_1": float(law.weights @ (law.labels == 1)),
    }
    for name, distance in divergences(reference, law)._asdict().items():
        # JSON has no infinity; null stands for it and the tables turn it back.
        facts[name] = distance.value if distance.value < float("inf") else None
        facts[f"{name}_how"] = distance.how
    (out / "law.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
