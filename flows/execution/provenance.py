"""By which code, on which machine and by which command results were made."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

from tasks.page.provenance import Provenance

PACKAGES = ("ibshift", "torch", "numpy", "scipy", "numba", "pyarrow", "ray", "prefect", "mlflow", "POT")


def provenance(command: str, seconds: float, gallery: str) -> Provenance:
    """What a page says of where it comes from.

    Args:
        command: the command line that repeats it.
        seconds: since 1970, when its results were complete.
        gallery: address of the page of all results.
    """
    return Provenance(
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)),
        version=importlib.metadata.version("ibshift"),
        commit=git_commit() or "",
        command=command,
        machine=machine(),
        gallery=gallery,
    )


def environment() -> dict[str, object]:
    """Python, machine and package versions of this process."""
    return {
        "python": platform.python_version(),
        "machine": machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def machine() -> str:
    """This machine in words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def git_commit() -> str | None:
    """The commit of the code, where it runs from a checkout: not that of a repository which it is installed in."""
    here = Path(__file__)
    said = ""
    try:
        for words in (["ls-files", "--error-unmatch", here.name], ["rev-parse", "HEAD"]):
            command = ["git", "-C", str(here.parent), *words]
            said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return said
