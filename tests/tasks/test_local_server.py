"""A server of ours is waited for, speaks last words, gives way to no other on its port, and ends with its parent."""

import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tasks.local_server import LocalServer, ServerUnavailable, ask, inherited, listen

PARENT = """
import sys, time
from pathlib import Path
from tasks.local_server import LocalServer, end_with_parent, inherited
class Quiet(LocalServer):
    def answers(self):
        return False
server = Quiet(Path(sys.argv[1]))
server.spawn(("http.server", "0"), inherited(), preexec_fn=end_with_parent)
print(server.process.pid, flush=True)
time.sleep(60)
"""


class Toy(LocalServer):
    name = "toy"

    def answers(self):
        return b"inside" in ask(self.url)


@pytest.fixture
def toy(tmp_path):
    with listen(0) as free:
        server = Toy(tmp_path, free.getsockname()[1])
    (tmp_path / "inside").touch()
    yield server
    server.stop()


def served(toy, *module):
    toy.spawn(module or ("http.server", str(toy.port), "-b", "127.0.0.1", "-d", str(toy.root)), inherited())
    return toy


def test_a_server_of_ours_is_asked_past_every_proxy(toy, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    served(toy).wait()
    with pytest.raises(ServerUnavailable, match=f"port {toy.port} is taken"):
        listen(toy.port)
    with listen(toy.port, or_any=True) as other:
        assert other.getsockname()[1] != toy.port


def test_one_that_ends_leaves_its_last_words(toy):
    with pytest.raises(ServerUnavailable, match=r"toy server ended while starting: .*No module named nowhere"):
        served(toy, "nowhere").wait()


def test_one_that_never_answers_is_said_and_given_up(toy, monkeypatch):
    monkeypatch.setattr("tasks.local_server.SAY_EVERY_S", 0)
    said = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", toy.port))
        with pytest.raises(ServerUnavailable, match=r"after 0 s \(see .*server.log\)"):
            served(toy, "http.server", "0").wait(0.3, say=said.append)
    assert said and f"waiting for the toy server at {toy.url}" in said[0]


def test_it_ends_with_its_parent_even_a_killed_one(tmp_path):
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, cwd=root) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([child], timeout=20)[1] == []
