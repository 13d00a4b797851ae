"""`heddle dev` as a person meets it: in a terminal, with signals, crashes and things in its way."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.embedded import health, ports
from service.embedded.processes import birth
from service.embedded.waiting import Waiter


@dataclass
class Dev:
    """One home, in which `heddle dev` is started again and again."""

    home: Path
    listen: str = field(default_factory=lambda: f"127.0.0.1:{ports.free()}")
    started: list[subprocess.Popen] = field(default_factory=list)

    def start(self, *arguments, cwd=None, **variables):
        environment = {**os.environ, "HEDDLE_HOME": str(self.home), "HEDDLE_LISTEN": self.listen, **variables}
        with (self.home / "console").open("w") as console:
            process = subprocess.Popen(
                [sys.executable, "-m", "service", "dev", *arguments],
                env=environment,
                cwd=cwd,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def serve(self, **variables):
        process = self.start(**variables)
        served = Waiter().until(lambda: "Serving" in self.console() or process.poll() is not None, within=60)
        assert served, self.console()
        assert process.poll() is None, self.console()
        return process

    def console(self):
        return (self.home / "console").read_text()

    def pids(self):
        return {name: note["pid"] for name, note in json.loads((self.home / "running.json").read_text()).items()}

    def all_gone(self):
        pids = self.pids().values()
        return Waiter().until(lambda: not any(birth(pid) for pid in pids), within=20)


@pytest.fixture
def dev(session_home):
    home = session_home / f"dev-{os.urandom(4).hex()}"
    home.mkdir(mode=0o711)
    dev = Dev(home)
    yield dev
    for process in dev.started:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_that_was_started(dev, number):
    process = dev.serve()

    process.send_signal(number)

    assert process.wait(30) == 0
    assert dev.all_gone()
    assert set(dev.pids()) == {"PostgreSQL", "Temporal", "server", "worker"}


def test_one_shot_stops_by_itself(dev):
    process = dev.start("--oneshot")

    assert process.wait(60) == 0, dev.console()
    assert dev.all_gone()


def test_a_failed_example_decides_the_exit_code(dev):
    process = dev.start("--oneshot", "--example", cwd=_broken_example(dev.home))

    assert process.wait(60) == 1, dev.console()
    assert "The example failed" in dev.console()


def test_a_kill_leaves_nothing_that_bothers_the_next_start(dev):
    first = dev.serve()
    left_behind = dev.pids().values()
    first.kill()
    first.wait()

    dev.serve()

    assert not any(birth(pid) for pid in left_behind)
    assert not set(dev.pids().values()) & set(left_behind)


def test_ports_stay_from_run_to_run(dev):
    dev.start("--oneshot").wait(60)
    first = re.findall(r"127\.0\.0\.1:\d+", dev.console())
    dev.start("--oneshot").wait(60)

    assert re.findall(r"127\.0\.0\.1:\d+", dev.console()) == first


def test_a_second_one_in_the_same_home_is_refused(dev):
    first = dev.serve()

    second = dev.start()

    assert second.wait(30) == 1
    assert f"already runs in {dev.home} (process {first.pid}, serving {dev.listen})" in dev.console()


def test_two_homes_run_side_by_side(dev, session_home):
    dev.serve()
    other = Dev(session_home / f"dev-{os.urandom(4).hex()}")
    other.home.mkdir(mode=0o711)
    try:
        other.serve()

        assert health.is_serving(dev.listen)
        assert health.is_serving(other.listen)
    finally:
        other.started[0].terminate()
        other.started[0].wait(30)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("HEDDLE_LISTEN", "127.0.0.1:{}"), ("HEDDLE_POSTGRES_PORT", "{}"), ("HEDDLE_TEMPORAL_PORT", "{}")],
)
def test_a_taken_port_is_named_with_the_setting_that_changes_it(dev, setting, value):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = dev.start(**{setting: value.format(port)})

        assert process.wait(30) == 1

    assert f"port {port} is in use" in dev.console()
    assert f"{setting}={value.format(port + 1)}" in dev.console()


def test_what_dies_is_started_again(dev):
    dev.serve()
    before = dev.pids()

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    assert Waiter().until(lambda: not set(dev.pids().values()) & set(before.values()), within=20)
    assert Waiter().until(lambda: health.is_serving(dev.listen), within=20)
    for name in before:
        assert f"the {name} ended by itself (SIGKILL)" in dev.console()


def test_a_bad_setting_is_told_before_anything_starts(dev):
    process = dev.start(HEDDLE_HISTORY_LIMIT="many")

    assert process.wait(30) == 2
    assert dev.console().startswith("heddle: HEDDLE_HISTORY_LIMIT is 'many'")


def test_a_server_that_cannot_start_shows_the_end_of_its_log(dev):
    process = dev.start(HEDDLE_DATABASE_URL=f"postgresql://heddle@127.0.0.1:{ports.free()}/heddle")

    assert process.wait(60) == 1
    assert "the migration ended by itself (exit code 1)" in dev.console()
    assert "Connection refused" in dev.console()


def _broken_example(folder):
    package = folder / "broken" / "examples"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "incorporation.py").write_text("raise SystemExit('out of thread')")
    return package.parent
