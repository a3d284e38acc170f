"""URLs of files: a path may hold any character, and some of them mean something in a URL."""

from pathlib import Path


def sqlite_url(database: Path, driver: str = "pysqlite") -> str:
    """SQLAlchemy's URL of an SQLite file. It never decodes a plain path and cuts it at a `?`, so SQLite itself does.

    The driver is always named: MLflow would take the rest of a URL without one for a path, and make that folder.
    """
    return f"sqlite+{driver}:///{database.resolve().as_uri()}?uri=true"
