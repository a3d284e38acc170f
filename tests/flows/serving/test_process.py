"""How a process that was asked to stop ends: with which code, and in time."""

import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from flows.serving.process import beside

ORDERLY = """
import sys, time
from flows.serving.process import EXIT, signals
from tasks.engine.progress import Stop
stop = Stop()
with signals(stop):
    print("ready", flush=True)
    stop.event.wait(60)
    for _ in range(1000):
        print("still somebody there?", flush=True)
    time.sleep({extra})
sys.exit(EXIT[stop.why])
"""
NEVER = """
import sys, time
from flows.serving.process import signals
from tasks.engine.progress import Stop
stop = Stop()
stop.patience = 0.2
with signals(stop), signals(stop):
    print("ready", flush=True)
    while True:
        time.sleep(1)
"""


def begin(script, ignored=False, **streams):
    # Under nohup SIGHUP is ignored, and what is ignored stays so in children.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", script], **{"stdout": subprocess.PIPE} | streams, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    if child.stdout:
        assert child.stdout.readline() == b"ready\n"
    return child


@pytest.mark.parametrize("script", [ORDERLY.format(extra=0), NEVER], ids=["orderly", "never"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_code_says_which_signal_it_was(number, code, script):
    child = begin(script)
    child.send_signal(number)
    output = child.communicate(timeout=30)[0]
    assert child.returncode == code
    assert (b"finished work is kept" in output) == (script == NEVER)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(number):
    child = begin(ORDERLY.format(extra=60))
    child.send_signal(signal.SIGHUP)
    assert child.stdout.readline()
    child.send_signal(signal.SIGHUP)  # from the shell, after the terminal's own
    child.send_signal(number)
    child.communicate(timeout=30)
    assert child.returncode == 128 + number


def test_nohup_outlives_the_terminal():
    child = begin(ORDERLY.format(extra=0), ignored=True)
    child.send_signal(signal.SIGHUP)
    child.send_signal(signal.SIGTERM)  # the first one that counts: it leaves time for an orderly end
    assert b"still somebody there?" in child.communicate(timeout=30)[0]
    assert child.returncode == 143


def test_a_terminal_that_closes_is_no_error():
    ours, theirs = pty.openpty()
    take_it = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    child = begin(take_it + ORDERLY.format(extra=0), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    with suppress(OSError):
        assert b"ready" in os.read(ours, 100)
    os.close(ours)
    assert child.wait(30) == 129


def test_work_beside_a_block_is_told_when_the_block_ends():
    told = []
    with beside("work", lambda done: told.append(done.wait(60)), patience=None):
        assert not told
    assert told == [True]
