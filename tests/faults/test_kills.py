"""Whatever kills a run, the same command ends with the same bytes, nothing finished is made twice, nobody is left."""

import os
import random
import signal
import time
from collections import Counter

import pytest

from tasks.store.store import Store

pytestmark = pytest.mark.slow


def computed(workspace) -> Counter:
    return Counter(entry["identity"] for entry in Store(workspace).journal() if entry["event"] == "computed")


def check(commands, undisturbed):
    assert commands.wait_until_alone() == []
    assert commands.tables() == undisturbed
    assert set(computed(commands.workspace).values()) == {1}


@pytest.mark.parametrize("seed", range(int(os.environ.get("IBSHIFT_KILLS", "2"))))
def test_sigkill_at_a_random_moment(commands, undisturbed, seed):
    moment = random.Random(seed)
    stage, count = moment.choice(
        [("data", 1), ("training", 1), ("activations", 5), ("information", 3), ("information", 20)]
    )
    process = commands.start(*moment.choice([(), ("--no-prefect",)]))
    commands.wait_for(stage, count)
    time.sleep(moment.uniform(0, 0.5))
    os.killpg(process.pid, signal.SIGKILL) if moment.random() < 0.5 else process.kill()
    process.wait()
    assert commands.wait_until_alone() == []
    commands.run()
    check(commands, undisturbed)


def test_an_idle_worker_killed_at_birth_is_replaced(commands, undisturbed):
    process = commands.start("--no-prefect")
    commands.kill_at_birth("ray::IDLE")
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output
    check(commands, undisturbed)


def test_killed_workers_are_replaced_while_the_run_goes_on(commands, undisturbed):
    process = commands.start("--no-prefect")
    commands.wait_for("activations", 2)
    for _ in range(3):
        workers = [each for each in commands.processes() if "ray::make" in " ".join(each.cmdline())]
        if workers:
            workers[0].kill()
        time.sleep(1)
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output
    check(commands, undisturbed)


@pytest.mark.parametrize(
    ("number", "code", "options"), [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--no-prefect",))]
)
def test_a_signal_stops_it_and_the_same_command_goes_on(commands, undisturbed, number, code, options):
    process = commands.start(*options)
    commands.wait_for("information", 2)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == code, output
    assert "the same command goes on" in output and "Traceback" not in output and "***" not in output
    assert commands.wait_until_alone() == []
    commands.run("--no-prefect")
    check(commands, undisturbed)


def test_two_runs_at_once_share_the_work_and_a_third_computes_nothing(commands, undisturbed):
    first, second = commands.start(), commands.start()
    for process in (first, second):
        output = process.communicate(timeout=500)[0]
        assert process.returncode == 0, output
    check(commands, undisturbed)
    assert "0 cells to compute" in commands.run()
    check(commands, undisturbed)


def test_a_killed_prefect_server_is_started_again_and_the_run_goes_on(commands, undisturbed):
    process = commands.start()
    commands.wait_for("information", 2)
    servers = [each for each in commands.processes() if "flows.serving.prefect_process" in " ".join(each.cmdline())]
    servers[0].kill()
    output = process.communicate(timeout=500)[0]
    assert process.returncode == 0, output
    assert "Traceback" not in output
    check(commands, undisturbed)


@pytest.mark.parametrize(
    ("number", "code", "seconds"),
    [(signal.SIGINT, 130, 1.5), (signal.SIGTERM, 143, 4), (signal.SIGHUP, 129, 6), (signal.SIGINT, 130, 8)],
)
def test_a_signal_while_servers_start_stops_too(commands, number, code, seconds):
    process = commands.start()
    time.sleep(seconds)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    # Before the interpreter has read our first line, the signal's own default ends it.
    assert process.returncode in (code, -number), output
    assert "Traceback" not in output
    assert commands.wait_until_alone() == []


def test_a_killed_raylet_is_replaced_once(commands, undisturbed):
    process = commands.start("--no-prefect")
    commands.wait_for("information", 2)
    raylets = [each for each in commands.processes() if each.name() == "raylet"]
    raylets[0].kill()
    output = process.communicate(timeout=500)[0]
    assert process.returncode == 0, output
    check(commands, undisturbed)
