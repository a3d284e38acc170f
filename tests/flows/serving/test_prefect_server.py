"""One server for a workspace, alive exactly as long as a client is."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from flows.serving import prefect_process, prefect_server
from flows.serving.prefect_server import PrivateServer
from tasks.local_server import ServerUnavailable, listen

CLIENT = """
import sys, time
from pathlib import Path
from flows.serving.prefect_server import PrivateServer
with PrivateServer(Path(sys.argv[1])) as server:
    print(server.wait().api_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_server_of_the_user(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def servers_of(root: Path) -> list[psutil.Process]:
    """The living server processes of a workspace."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if "flows.serving.prefect_process" in command and str(root.resolve()) in command:
            found.append(process)
    return [process for process in found if process.info["status"] != psutil.STATUS_ZOMBIE]


def wait_until_gone(root: Path, limit: float = 30) -> None:
    started = time.monotonic()
    while servers_of(root):
        assert time.monotonic() - started < limit, "the server outlived its clients"
        time.sleep(0.05)


def client(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def fake_server(monkeypatch, source: str) -> None:
    """Put a small program in the place of Prefect's server; it receives the same arguments."""
    real = subprocess.Popen

    def popen(command, **options):
        return real([sys.executable, "-c", source, *command[3:]], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)


def test_importing_it_imports_neither_prefect_nor_ray():
    check = "import sys, flows.serving.prefect_server; sys.exit(bool({'prefect', 'ray', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_a_configured_server_is_used_and_none_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example:4200/api")
    with PrivateServer(tmp_path / "prefect") as server:
        environment = server.client_environment()
    assert server.url == "http://prefect.example:4200"
    assert environment["PREFECT_API_URL"] == "http://prefect.example:4200/api"
    assert "PREFECT_HOME" not in environment  # profiles and keys of the user stay in force
    assert not (tmp_path / "prefect").exists()


def test_a_server_that_dies_while_starting_is_reported_with_its_last_words(tmp_path, monkeypatch):
    fake_server(monkeypatch, "raise SystemExit('no such database')")
    with PrivateServer(tmp_path) as server, pytest.raises(ServerUnavailable, match="no such database"):
        server.wait(timeout=10)


def test_a_silent_server_is_given_up_and_ended_by_its_last_client(tmp_path, monkeypatch):
    fake_server(monkeypatch, "import time; time.sleep(60)")
    with PrivateServer(tmp_path) as server, pytest.raises(ServerUnavailable, match="after 1 s"):
        server.wait(timeout=1)
    assert not server.alive()


def test_a_server_that_does_not_end_when_asked_is_killed_by_its_last_client(tmp_path, monkeypatch):
    monkeypatch.setattr(prefect_server, "CLOSE_S", 0.5)
    ready = tmp_path / "deaf"
    deaf = "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    fake_server(monkeypatch, f"{deaf} pathlib.Path({str(ready)!r}).touch(); time.sleep(60)")
    with PrivateServer(tmp_path) as server:
        while not ready.exists():
            time.sleep(0.02)
    assert not server.alive() and server.process.wait(timeout=5) == -signal.SIGKILL


def test_a_taken_port_is_replaced(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with listen(port, or_any=True) as listener:
            assert listener.getsockname()[1] != port


def test_clients_keep_prefect_off_the_terminal_unless_asked(tmp_path, monkeypatch):
    environment = PrivateServer(tmp_path).client_environment()
    assert environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    assert PrivateServer(tmp_path).client_environment()["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"


@pytest.mark.parametrize("content", [None, b"not a database"])
def test_a_missing_or_damaged_template_does_not_matter(tmp_path, monkeypatch, content):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if content is not None:
        prefect_process._template().parent.mkdir(parents=True)
        prefect_process._template().write_bytes(content)
    assert not prefect_process._copy_template(tmp_path / "prefect.db")
    assert not (tmp_path / "prefect.db").exists()


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    prefect_process._make_template(tmp_path / "prefect.db")


def one_version_of_the_pages(url: str) -> None:
    """The older one at every address: the newer one asks an outside host."""
    page = urllib.request.Request(f"{url}/v2/runs/flow-run/x?tab=Logs", headers={"accept": "text/html"})
    with urllib.request.urlopen(f"{url}/ui-settings") as settings, urllib.request.urlopen(page) as shown:
        assert json.loads(settings.read())["available_uis"] == ["v1"]
        assert shown.url == f"{url}/runs/flow-run/x?tab=Logs" and b"amplitude" not in shown.read()


@pytest.mark.slow
def test_two_clients_at_once_share_one_server_and_the_last_one_ends_it(tmp_path):
    root = tmp_path / "prefect"
    first, second = client(root), client(root)
    try:
        api_url = first.stdout.readline().strip()
        assert api_url == second.stdout.readline().strip()
        (server,) = servers_of(root)
        one_version_of_the_pages(api_url.removesuffix("/api"))

        first.kill()  # whoever launched it, the other still needs it
        first.wait()
        time.sleep(prefect_process.LINGER_S + 1)
        assert servers_of(root) == [server]
        with urllib.request.urlopen(f"{api_url}/health") as answer:
            assert answer.status == 200

        second.communicate(timeout=10)  # it closes, and returns when the server is gone
        assert second.returncode == 0
        assert not servers_of(root)
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
        wait_until_gone(root)


@pytest.mark.slow
def test_the_server_goes_with_its_last_killed_client_and_keeps_port_and_history(tmp_path):
    root = tmp_path / "prefect"
    addresses = []
    for _ in range(2):
        process = client(root)
        addresses.append(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        wait_until_gone(root)
    assert addresses[0] == addresses[1]
    assert (root / "prefect.db").stat().st_size > 100_000
    assert json.loads((root / "server.json").read_text())["port"] == int(addresses[0].split(":")[2].split("/")[0])


@pytest.mark.slow
def test_a_client_killed_at_once_leaves_no_server(tmp_path):
    root = tmp_path / "prefect"
    spawn = f"import os; from pathlib import Path; from flows.serving.prefect_server import PrivateServer; \
PrivateServer(Path({str(root)!r})).start(); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", spawn]).returncode == -signal.SIGKILL
    wait_until_gone(root)


@pytest.mark.slow
def test_restarts_around_the_moment_of_shutdown_are_all_healthy(tmp_path):
    root = tmp_path / "prefect"
    for gap in (0.0, 1.2, 1.6, 2.0):
        process = client(root)
        assert process.stdout.readline().startswith("http://")
        process.kill()
        process.communicate()
        time.sleep(gap)
    wait_until_gone(root)
