"""Modules that import Prefect, which should not touch the home directory."""

import importlib

import pytest


@pytest.fixture(scope="module")
def importing_prefect(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect-home")))
        patch.setenv("DO_NOT_TRACK", "1")
        yield lambda name: importlib.import_module(f"flows.serving.{name}")


@pytest.fixture
def prefect_runs(importing_prefect):
    return importing_prefect("prefect_runs")


@pytest.fixture
def prefect_page(importing_prefect):
    return importing_prefect("prefect_page")
