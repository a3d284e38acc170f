"""The first lines of the command `ibshift`: while the rest is imported, Ctrl-C ends it without a word."""

import signal


def main() -> None:
    """Entry point of `ibshift` and of `python -m flows`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    main()
