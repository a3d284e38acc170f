import pytest
from commands import Commands


@pytest.fixture
def commands(tmp_path):
    commands = Commands(tmp_path)
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
