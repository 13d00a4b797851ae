import os
import sys

import pytest

from service.embedded.home import Home
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def sleeper():
    process = Process(Program("sleeper", (sys.executable, "-c", "import time; time.sleep(60)"), None))
    yield process
    process.kill9()


def test_a_second_one_in_the_same_home_is_told_what_to_do(home):
    with home.locked("127.0.0.1:50051"), pytest.raises(Problem) as refusal, Home(home.path).locked("127.0.0.1:50052"):
        pass

    assert f"already runs in {home.path} (process {os.getpid()}, serving 127.0.0.1:50051)" in str(refusal.value)
    assert f"HEDDLE_HOME={home.path}-2 HEDDLE_LISTEN=127.0.0.1:50052" in str(refusal.value)


def test_the_home_is_free_again_after_the_first_has_ended(home):
    with home.locked("127.0.0.1:50051"):
        pass

    with home.locked("127.0.0.1:50051"):
        pass


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    with (
        pytest.raises(Problem, match=r"HEDDLE_HOME .*/file/home cannot be written"),
        Home(tmp_path / "file/home").locked(""),
    ):
        pass


def test_a_process_that_was_left_behind_is_ended(home, sleeper):
    with home.locked("127.0.0.1:50051"):
        home.note("sleeper", sleeper, 12345)

        assert Home(home.path).end_orphans() == ["sleeper"]

    assert not sleeper.alive()
    assert home.last_port("sleeper") == 12345


def test_a_process_that_merely_got_the_same_id_is_left_alone(home, sleeper):
    with home.locked("127.0.0.1:50051"):
        home.note("sleeper", sleeper)
        notes = home.path / "running.json"
        notes.write_text(notes.read_text().replace('"birth": "', '"birth": "long ago '))

        assert home.end_orphans() == []

    assert sleeper.alive()


def test_notes_that_were_cut_short_are_forgotten(home):
    with home.locked("127.0.0.1:50051"):
        (home.path / "running.json").write_text('{"PostgreSQL": {"pid"')

        assert home.end_orphans() == []
        assert home.last_port("PostgreSQL") is None


def test_a_large_log_is_set_aside(home):
    with home.locked("127.0.0.1:50051"):
        log = home.log("server")
        log.write_bytes(b"x" * 10_000_001)

        assert home.log("server") == log

    assert not log.exists()
    assert log.with_suffix(".log.1").stat().st_size == 10_000_001
