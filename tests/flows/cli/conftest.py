"""The command as a function: an interpreter and its imports cost five seconds each time."""

import sys

import pytest

from flows.cli.cli import main


@pytest.fixture
def ibshift(monkeypatch, capfd):
    """Call the command in this process: its exit code, and what it printed on stdout and stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["ibshift", *words])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        assert "Traceback (most recent" not in out + err
        return code, out, err

    return call
