"""Where the code of a family of shifts stands, which identifies its laws."""

from ib_core.laws.family import find_family
from tasks.fingerprint import has_source


def family_place(name: str) -> tuple[str, str]:
    """The module and the name of a family's function, whose code identifies its laws.

    Raises:
        ValueError: there is no file of code.
    """
    apply = find_family(name).apply
    if not has_source(apply.__module__):
        raise ValueError(f"the module {apply.__module__} must be a Python file, as its code identifies the laws")
    return apply.__module__, apply.__name__
