"""How far a measurement is, for whoever waits for it."""

import sys
import time

PATIENCE = 4.0  # seconds without a word
TRUST = 20.0  # seconds of work as costs say it, with which what was seen is averaged: the first piece compiles


class Progress:
    """Lines on stderr, with the time that is left, of work that takes more than a few seconds.

    Args:
        costs: seconds that the pieces may take, in their order.
        quiet: says nothing.
    """

    def __init__(self, costs: list[float], quiet: bool) -> None:
        self.costs, self.quiet, self.done = costs, quiet, 0
        self.start = self.said = time.monotonic()

    def begin(self, what: str) -> None:
        """The next piece of work begins."""
        now = time.monotonic()
        spent, rest = sum(self.costs[: self.done]), sum(self.costs[self.done :])
        left = rest * (now - self.start + TRUST) / (spent + TRUST)
        if not self.quiet and left > PATIENCE and (self.done == 0 or now - self.said > PATIENCE):
            place = f"{self.done + 1} of {len(self.costs)}"
            print(f"ibshift: {what} ({place}), about {in_words(left)} left", file=sys.stderr, flush=True)
            self.said = now
        self.done += 1


def in_words(seconds: float) -> str:
    """A duration as people say it: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
