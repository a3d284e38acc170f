"""What others left in the environment: what counts, what is set aside, what is refused."""

import os
import tempfile
from pathlib import Path

import pytest

from tasks import environment
from tasks.environment import WrongEnvironment, own_prefect, own_ray, prefect_address, settle, tracking_address


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(environment, "overruled", {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMP_NUM_THREADS", "many"),
        ("NUMBA_NUM_THREADS", "0"),
        ("NUMBA_NUM_THREADS", "-1"),
        ("MKL_NUM_THREADS", "9999999"),
        ("NUMBA_DISABLE_JIT", "1"),
        ("NUMBA_CACHE_DIR", "/proc/nowhere"),
        ("OMP_SCHEDULE", "nonsense"),
        ("TORCH_LOGS", "nonsense"),
        ("MPLBACKEND", "nonsense"),
        ("HTTPS_PROXY", "gopher://proxy:70"),
        ("all_proxy", "http://proxy:port"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
        ("WEB_CONCURRENCY", "two"),
        ("UVICORN_FD", "3"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("PYTHONSTARTUP", "/nowhere.py"),
        ("GIT_DIR", "/elsewhere"),
    ],
)
def test_what_would_break_or_change_a_run_is_set_aside(name, value):
    environ = {name: value}
    settle(environ)
    assert name not in environ and environment.overruled[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMP_NUM_THREADS", "1"),
        ("http_proxy", "http://me:secret@proxy:3128"),
        ("HTTP_PROXY", "proxy:3128"),
        ("SSL_CERT_FILE", __file__),
        ("KMP_DUPLICATE_LIB_OK", "TRUE"),
        ("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG"),
        ("OPENBLAS_CORETYPE", "Haswell"),  # what is known of a machine
        ("PATH", "/bin"),
        ("PYTHONPATH", "here"),
    ],
)
def test_what_counts_stays(name, value):
    environ = {name: value}
    settle(environ)
    assert environ[name] == value and not environment.overruled


def test_loopback_is_never_asked_through_a_proxy():
    environ = {"no_proxy": "intranet"}
    settle(environ)
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1,localhost"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_home_that_is_none_becomes_no_folder_here(home):
    environ = {} if home is None else {"HOME": home}
    settle(environ)
    assert environ.get("HOME", "/").startswith("/")


def test_a_ray_of_our_own_hears_nothing_of_others():
    environ = {"RAY_ADDRESS": "auto", "RAY_TMPDIR": "/x" * 50, "GRPC_POLL_STRATEGY": "no", "RAYON_NUM_THREADS": "1"}
    own_ray(environ)
    assert environ == {"RAYON_NUM_THREADS": "1"}


@pytest.mark.parametrize("name", ["x" * 90, "with space", "[brackets]", "per%cent"])
def test_sockets_lie_where_their_paths_are_short_and_plain(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    folder = own_ray({})
    assert folder == Path("/tmp") and len(os.fsencode(folder)) <= environment.SOCKET_FOLDER_BYTES


def test_without_any_folder_for_sockets_the_variable_is_named(monkeypatch):
    monkeypatch.setattr(environment.os, "access", lambda *_: False)
    with pytest.raises(WrongEnvironment, match="TMPDIR must be"):
        own_ray({})


@pytest.mark.parametrize(
    "address",
    ["not-a-url", "ftp://host/api", "http://", "http://host:port/api", "http://host:0/api", "http://[::1/api"],
)
def test_an_impossible_prefect_server_is_refused(address):
    with pytest.raises(WrongEnvironment, match="PREFECT_API_URL must be"):
        prefect_address({"PREFECT_API_URL": address})


def test_a_prefect_server_is_named_or_there_is_one_of_our_own():
    assert prefect_address({}) == prefect_address({"PREFECT_API_URL": " "}) == ""
    assert prefect_address({"PREFECT_API_URL": "https://host:4200/api/"}) == "https://host:4200/api"
    environ = {"PREFECT_API_KEY": "x", "PREFECT_PROFILES_PATH": "/x", "PREFECT__FLOW_RUN_ID": "1"}
    own_prefect(environ)
    assert environ == {"PREFECT__FLOW_RUN_ID": "1"}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql+pymysql://me:secret@host/db", "driver is not installed"),
        ("postgresql://me:secret@host/db", "driver is not installed"),
        ("sqlite+nonsense:///x.db", "nonsense"),
        ("mssql+pyodbc:/x", "got"),
        ("nonsense://host", "neither"),
        ("./mlruns", "neither"),
        ("http://", "no host"),
        ("http://me:secret@host:port", "no host or port"),
    ],
)
def test_an_impossible_tracking_server_is_refused_without_its_password(address, why):
    with pytest.raises(WrongEnvironment, match="MLFLOW_TRACKING_URI must be") as raised:
        tracking_address({"MLFLOW_TRACKING_URI": address})
    assert why in str(raised.value) and "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_tracking_server_is_named_or_there_is_a_database_of_our_own():
    assert tracking_address({}) is None and tracking_address({"MLFLOW_TRACKING_URI": " "}) is None
    for address in ("http://host:5000", "https://me:secret@host", "sqlite:///x.db"):
        assert tracking_address({"MLFLOW_TRACKING_URI": address}) == address
    environ = {"MLFLOW_REGISTRY_URI": "nonsense", "MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"}
    environment.for_mlflow(environ)
    assert environ == environment.MLFLOW
    environ = {"MLFLOW_TRACKING_TOKEN": "x", "MLFLOW_HTTP_REQUEST_TIMEOUT": "9"}
    environment.for_mlflow(environ, own=False)
    assert environ == environment.MLFLOW | {"MLFLOW_TRACKING_TOKEN": "x", "MLFLOW_HTTP_REQUEST_TIMEOUT": "9"}
