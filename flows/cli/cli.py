"""The command `ibshift`: its commands, and how wrong settings and unwilling disks end it."""

import sys

from flows.cli import beginning, looking, reproducing, running, serving
from flows.cli.app import app
from flows.settings.settings import ConfigError
from tasks.environment import WrongEnvironment

__all__ = [
    "app",
    "beginning",
    "looking",
    "main",
    "reproducing",
    "running",
    "serving",
]  # the commands enter the application as they are imported


def main() -> None:
    """Entry point: a wrong setting is one line and exit code 2, a disk that refuses is one line and exit code 1."""
    try:
        app()
    except (ConfigError, WrongEnvironment) as error:
        sys.stderr.write(f"ibshift: {error}\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"ibshift: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
