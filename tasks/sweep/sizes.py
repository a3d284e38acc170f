"""How sizes of shifts are called: their metric, and the unit of a family's own severity."""

import re

METRICS = {"tv": "TV", "kl": "KL", "w2": "W₂", "winf": "W∞", "severity": "severity"}
KINDS = {
    **{"tv": "sizes in TV", "kl": "sizes in KL", "w2": "sizes in W₂", "winf": "sizes in W∞"},
    "severity": "severities",
}
LABELS = {
    **{"tv": "TV(P, P′)", "kl": "KL(P′ ‖ P), nats", "w2": "W₂(P, P′), input units"},
    **{"winf": "W∞(P, P′) at most, input units", "severity": "severity"},
}
# What a severity of a family of the house counts.
SEVERITIES = {
    **{
        "rotation": "degrees",
        "translation": "pixels",
        "blur": "pixels",
        "shear": "slope",
        "scale": "share of the size",
    },
    **{"contrast": "share of the distance to the mean", "brightness": "share of the range"},
    **{"gaussian_noise": "share of the range", "impulse_noise": "share of the pixels", "occlusion": "share of a side"},
}


def title(family: str) -> str:
    """The family's name for people, without the module of one's own that it may come from."""
    return re.split(r"[.:]", family)[-1].replace("_", " ")


def size_label(family: str, metric: str) -> str:
    """What stands at an axis of sizes: "severity, degrees"."""
    unit = SEVERITIES.get(family) if metric == "severity" else None
    return f"severity, {unit}" if unit else LABELS.get(metric, metric)


def with_unit(family: str, metric: str) -> str:
    """The family with what its sizes are: "rotation (severity in degrees)"."""
    unit = SEVERITIES.get(family) if metric == "severity" else None
    return f"{title(family)} ({METRICS.get(metric, metric)}{f' in {unit}' if unit else ''})"


def size_text(family: str, size: float, metric: str) -> str:
    """A size with its unit: "severity 30 degrees", "KL 1 nat", "TV 0.1", "severity 0.1"."""
    unit = SEVERITIES.get(family, "") if metric == "severity" else "nats" if metric == "kl" else ""
    named = unit in ("degrees", "pixels", "nats")
    unit = unit.removesuffix("s") if size == 1 else unit
    return f"{METRICS.get(metric, metric)} {size:g}{f' {unit}' if named else ''}"


def at_size(family: str, size: float, metric: str) -> str:
    """A law in words: "rotation at severity 30 degrees"."""
    return f"{title(family)} at {size_text(family, size, metric)}"
