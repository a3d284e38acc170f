"""Where a unit computes: on the card that it was planned for, or on the CPU where its worker has none, and what is done
where the memory of a card is full.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CPU, CARD = "cpu", "cuda"
_used: ContextVar[set[str] | None] = ContextVar("the devices that a unit has computed on", default=None)


def device_here(planned: str | None) -> str | None:
    """The planned device where this worker has it; None, the CPU, where it has not, or where none was planned.

    What was found is noted, for the journal and the tables.
    """
    if planned is None:
        return None
    import torch

    on_cuda = torch.device(planned).type == "cuda"
    found = not on_cuda or torch.cuda.is_available()
    used = _used.get()
    if used is not None:
        name = torch.cuda.get_device_name() if on_cuda and found else planned
        used.add(name if found else f"{CPU}, for want of a card")
    return planned if found else None


@contextmanager
def noting() -> Iterator[set[str]]:
    """Within it the devices that `device_here` finds are gathered."""
    found: set[str] = set()
    token = _used.set(found)
    try:
        yield found
    finally:
        _used.reset(token)


def devices() -> str:
    """What the unit that is being made has computed on so far."""
    return ", ".join(sorted(_used.get() or {CPU}))


def with_smaller_tiles(build: Callable[[], None], again: Callable[[], object]) -> None:
    """Build, and where the memory of a card is full once more with quarter tiles, and with quarters of these.

    Numbers of a card may then differ in their last digits.

    Args:
        build: what may run out of memory.
        again: makes way for the next attempt.
    """
    from ib_core.arrays import smaller_tiles

    for share in (1.0, 1 / 4, 1 / 16):
        try:
            with smaller_tiles(share):
                return build()
        except RuntimeError as error:
            if type(error).__name__ != "OutOfMemoryError" or share == 1 / 16:
                raise
            again()
