"""The first lines of the command `ibshift`: what others left in the environment is settled before anything reads it.

Until a command handles signals itself, they end it without a word.
"""

import os
import signal
import sys

from tasks.environment import settle


def main() -> None:
    """Entry point of `ibshift` and of `python -m flows`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda number, _: os._exit(128 + number))
    settle()
    # A closed stream swallows what is said, and a path may hold bytes that the terminal has no letter for.
    sys.stdout, sys.stderr = (_safe(stream) for stream in (sys.stdout, sys.stderr))
    if moves := sys.stdout.isatty() and os.environ.get("TERM") not in (None, "dumb", "unknown"):
        print("loading ...", end="", flush=True)  # which takes seconds
    from flows.cli.cli import main

    if moves:
        print("\r\x1b[2K", end="", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


def _safe(stream):
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for as long as the process lives
    stream.reconfigure(errors="backslashreplace")
    return stream


if __name__ == "__main__":
    main()
