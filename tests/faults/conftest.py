import pytest
from commands import FOREIGN, Commands


@pytest.fixture
def commands(tmp_path):
    """On an awkward path, in a foreign environment."""
    temporary = tmp_path / ("t" * 90)  # no socket's path may be so long
    temporary.mkdir()
    commands = Commands(tmp_path, FOREIGN | {"TMPDIR": str(temporary)})
    yield commands
    for process in commands.processes():
        process.kill()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The final files of a run that nothing happened to."""
    commands = Commands(tmp_path_factory.mktemp("undisturbed"))
    commands.run("--no-prefect")
    assert commands.wait_until_alone() == []
    return commands.tables()
