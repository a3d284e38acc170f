"""Ray's handlers of signals do not stand before ours."""

import faulthandler
import os
import signal
import tempfile

from tasks.engine.ray_start import take_signals_back


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
