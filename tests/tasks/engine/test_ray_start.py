"""Ray's handlers of signals do not stand before ours, and its processes are told from others."""

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
from types import ModuleType

from tasks.engine.ray_start import end_processes, take_signals_back


def test_a_handler_that_a_library_put_in_front_is_not_heard():
    heard = []
    before = signal.signal(signal.SIGHUP, lambda number, _: heard.append(number))
    with tempfile.TemporaryFile() as printed:
        faulthandler.register(signal.SIGHUP, printed, chain=True)  # as Ray does: it prints, then calls what was there
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            noise = os.fstat(printed.fileno()).st_size
            take_signals_back()
            os.kill(os.getpid(), signal.SIGHUP)
            assert heard == [signal.SIGHUP] * 2 and os.fstat(printed.fileno()).st_size == noise > 0
        finally:
            faulthandler.unregister(signal.SIGHUP)
            signal.signal(signal.SIGHUP, before)


def test_what_ray_started_is_ended_and_nothing_else(tmp_path, monkeypatch):
    ray = ModuleType("ray")
    ray.__file__ = str(tmp_path / "ray" / "__init__.py")
    monkeypatch.setitem(sys.modules, "ray", ray)
    wait = "import sys; print('ready', flush=True); sys.stdin.read()"
    words = ([str(tmp_path / "ray" / "raylet")], ["ray::IDLE"], [str(tmp_path / "rays")], ["a server"])
    children = [
        subprocess.Popen([sys.executable, "-c", wait, *last], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for last in words
    ]
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 4
        end_processes()
        assert [child.wait(30) for child in children[:2]] == [-signal.SIGKILL] * 2
        assert [child.poll() for child in children[2:]] == [None, None]
    finally:
        for child in children:
            child.kill()
            child.communicate()
