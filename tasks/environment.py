"""Which environment variables of others count in a run, which are overruled, and which are refused.

A variable that somebody set for another program must not decide whether a run starts, nor what it computes. Those that
count are few: the addresses of a Prefect server and of a tracking server with what belongs to these, proxies, and the
number of threads. All of that is decided here: `settle` before anything else is imported, the other functions when Ray,
Prefect or MLflow are about to start. Imports nothing slow and nothing that reads variables itself.
"""

import importlib.util
import os
import re
import tempfile
import warnings
from collections.abc import Callable, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

Environment = MutableMapping[str, str]

# One request to a dead server must not hold up a finished sweep: MLflow's own defaults wait for four minutes.
MLFLOW = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# A path of a socket has at most 107 bytes, and Ray puts its own this deep below the folder that it is given.
SOCKET_FOLDER_BYTES = 107 - len("/ray/session_2000-01-01_00-00-00_000000_1234567/sockets/plasma_store.1")

overruled: dict[str, str] = {}  # what was set aside in this process: name -> why


class WrongEnvironment(ValueError):
    """A variable that counts has an impossible value; the message is one line for the user."""


def _is_thread_count(value: str) -> bool:
    return value.isdecimal() and 1 <= int(value) <= (os.cpu_count() or 1)


def _is_proxy(value: str) -> bool:
    parts = urlsplit(value if "://" in value else f"http://{value}")
    # Prefect's client refuses to start beside a proxy that it cannot speak to, whatever the address it asks.
    socks = parts.scheme in ("socks5", "socks5h") and importlib.util.find_spec("socksio") is not None
    return _has_host(value if "://" in value else f"http://{value}") and (socks or parts.scheme in ("http", "https"))


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(re.fullmatch(r"[\w.:-]+", parts.hostname or "")) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none, or half an IPv6 address
        return False


# Names, which values may stay, and why the others may not. The first that fits decides.
RULES: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("(OMP|MKL|OPENBLAS|NUMBA|NUMEXPR|VECLIB)_NUM_THREADS", _is_thread_count, "not 1 to the number of cores"),
    ("NUMBA_CACHE_DIR", lambda value: os.access(value, os.W_OK | os.X_OK), "not a folder that can be written"),
    ("(OMP|GOMP|NUMBA|TORCH|ATEN)_.*|KMP_(?!DUPLICATE_LIB_OK).*", lambda _: False, "numbers depend on it"),
    ("(?i:https?|all|wss?)_(?i:proxy)", _is_proxy, "not the address of a proxy"),
    ("SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE", lambda value: Path(value).exists(), "names nothing that exists"),
    ("MPLBACKEND|MATPLOTLIBRC", lambda _: False, "figures look the same everywhere"),
    ("(OTEL|UVICORN|GUNICORN|FLASK|WERKZEUG)_.*|WEB_CONCURRENCY", lambda _: False, "meant for another server"),
    ("PYTHON(WARNINGS|OPTIMIZE|INSPECT|STARTUP|DEVMODE)", lambda _: False, "workers and servers start plainly"),
    (
        "GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|NAMESPACE)",
        lambda _: False,
        "may name another repository",
    ),
    ("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", lambda value: value.upper() in LEVELS, "not a level"),
)


def settle(environ: Environment = os.environ) -> None:
    """Set aside what would break or change a run whatever its settings; loopback is never asked through a proxy."""
    if "PYTHONWARNINGS" in environ:
        warnings.resetwarnings()  # an "error" would stop Ray and MLflow at the first deprecation
        warnings.simplefilter("ignore")
    for name, value in list(environ.items()):
        for names, may_stay, why in RULES:
            if re.fullmatch(names, name):
                if value and not may_stay(value):
                    _remove(environ, name, why)
                break
    known = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").split(",")
    passed = ",".join(dict.fromkeys([*filter(None, known), "127.0.0.1", "localhost"]))
    environ.update(NO_PROXY=passed, no_proxy=passed)
    if not environ.get("HOME", "").startswith("/"):
        environ.pop("HOME", None)
        if not os.path.expanduser("~").startswith("/"):  # noqa: PTH111 - Path.home() raises where nobody has a home
            environ["HOME"] = "/nonexistent"  # else a folder called ~ would be made


def _remove(environ: Environment, name: str, why: str) -> None:
    overruled.setdefault(name, why)
    del environ[name]


def _remove_all(environ: Environment, names: str, why: str) -> None:
    for name in [name for name in environ if re.fullmatch(names, name)]:
        _remove(environ, name, why)


def own_ray(environ: Environment = os.environ) -> Path:
    """Before a run starts a Ray of its own: what is said of other clusters and sessions does not count.

    Returns:
        A folder for its sockets and logs: the system's temporary one if its path is short and plain enough.

    Raises:
        WrongEnvironment: there is none.
    """
    _remove_all(environ, "(RAY|GRPC)_.*", "a run starts a Ray of its own")
    folders = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"]
    for folder in map(os.path.abspath, folders):
        short = len(folder) <= SOCKET_FOLDER_BYTES and re.fullmatch(r"[\w./+-]+", folder, re.ASCII)
        if short and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise WrongEnvironment(
        f"TMPDIR must be a folder that can be written, of plain letters and at most {SOCKET_FOLDER_BYTES} bytes,"
        f" got {folders[0]}; {', '.join(folders[1:])} will not do either: use --workers 0 to go without Ray"
    )


def prefect_address(environ: Environment = os.environ) -> str:
    """Address of the Prefect server that the user named, without a slash at its end; "" for a private one.

    Raises:
        WrongEnvironment: it is no address.
    """
    address = environ.get("PREFECT_API_URL", "").strip().rstrip("/")
    if address and not (address.startswith(("http://", "https://")) and _has_host(address)):
        raise WrongEnvironment(
            f"PREFECT_API_URL must be an address such as http://127.0.0.1:4200/api, got {_redacted(address)!r}:"
            " unset it, or use --no-prefect"
        )
    return address


def own_prefect(environ: Environment = os.environ) -> None:
    """Before a client of the private server starts: settings of other servers do not count, a runner's do."""
    _remove_all(environ, "PREFECT_(?!_|LOGGING_|RUNNER_).*", "a workspace has a Prefect server of its own")


def tracking_address(environ: Environment = os.environ) -> str | None:
    """Address of the MLflow server or database that the user named; None for the workspace's own database.

    Raises:
        WrongEnvironment: it is none, or the driver of that database is not installed.
    """
    address = environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not address:
        return None
    scheme = address.partition(":")[0].lower()
    problem = ""
    if scheme in ("http", "https"):
        problem = "" if _has_host(address) else "no host or port"
    elif scheme.partition("+")[0] in DATABASES:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            make_url(address).get_dialect().import_dbapi()
        except ImportError as error:
            problem = f"its driver is not installed ({error})"
        except (ArgumentError, ValueError) as error:
            problem = str(error).partition("\n")[0]
    else:
        problem = "neither"
    if problem:
        raise WrongEnvironment(
            "MLFLOW_TRACKING_URI must be an address http://host:port or the URL of a database"
            f" ({', '.join(DATABASES)}), got {_redacted(address)!r}: {problem}"
        )
    return address


def for_mlflow(environ: Environment = os.environ, own: bool = True) -> None:
    """Before MLflow is imported: short patience; where it writes the workspace's own database, no other settings."""
    if own:
        _remove_all(environ, "MLFLOW_.*", "a workspace has an MLflow database of its own")
    for name, value in MLFLOW.items():
        environ.setdefault(name, value)


def _redacted(address: str) -> str:
    return re.sub("//[^/@ ]*@", "//***@", address)
