import os
import re

import psycopg2
import pytest

from service.embedded import ports, postgres
from service.embedded.postgres_programs import OLDEST, Programs, find
from service.embedded.problem import Problem
from service.embedded.processes import Process
from service.embedded.waiting import Waiter

WAITER = Waiter()


@pytest.fixture
def home(session_home):
    home = session_home / f"postgres-{os.urandom(4).hex()}"
    home.mkdir(mode=0o711)
    return home


@pytest.fixture
def begin(home):
    """Prepare and start the home's cluster; what is still running at the end is ended."""
    started: list[Process] = []

    def begin(durable=False):
        cluster = postgres.prepare(home, port=ports.free(), log=home / "log", durable=durable, waiter=WAITER)
        started.append(cluster.start())
        cluster.await_ready(started[-1], WAITER)
        return cluster, started[-1]

    yield begin
    for process in started:
        process.end()


def query(url, statement):
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def test_a_second_start_keeps_the_data(begin):
    cluster, process = begin()
    query(cluster.url("postgres"), "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('this')")
    process.end()

    cluster, _ = begin()

    assert query(cluster.url("postgres"), "SELECT what FROM kept") == [("this",)]


def test_a_power_cut_is_repaired(begin):
    cluster, process = begin(durable=True)
    query(cluster.url("postgres"), "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('this')")
    process.kill9()

    cluster, _ = begin(durable=True)

    assert query(cluster.url("postgres"), "SELECT what FROM kept") == [("this",)]


def test_a_server_that_nobody_remembers_is_ended_first(begin):
    _, forgotten = begin()

    begin()

    assert not forgotten.alive()


def test_a_pid_file_that_names_another_program_is_forgotten(begin):
    cluster, process = begin()
    pid_file = cluster.data / "postmaster.pid"
    text = pid_file.read_text()
    process.end()
    pid_file.write_text(re.sub(r"^\d+", str(os.getpid()), text))

    begin()


def test_a_first_start_that_was_cut_short_begins_again(begin, home):
    (home / "postgres" / "data.partial").mkdir(parents=True)
    (home / "postgres" / "data.partial" / "PG_VERSION").write_text("15")

    begin()


def test_it_listens_on_this_machine_only_and_asks_for_the_password(begin):
    cluster, _ = begin()

    assert query(cluster.url("postgres"), "SHOW listen_addresses") == [("127.0.0.1",)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://heddle:guess@127.0.0.1:{cluster.port}/postgres")
    assert (cluster.folder / "password").stat().st_mode & 0o077 == 0


def test_only_a_careless_server_skips_fsync(begin):
    cluster, process = begin(durable=True)
    assert query(cluster.url("postgres"), "SHOW fsync") == [("on",)]
    process.end()

    cluster, _ = begin(durable=False)

    assert query(cluster.url("postgres"), "SHOW fsync") == [("off",)]


def test_text_compares_and_folds_the_same_on_every_machine(begin):
    cluster, _ = begin()

    assert query(cluster.url("postgres"), "SELECT lower('ÄÉ'), 'a' > 'B', 'ä' > 'z'") == [("äé", True, True)]


def test_a_database_is_created_once(begin):
    cluster, _ = begin()

    first = postgres.create_database(cluster.url("postgres"), "once")
    query(first, "CREATE TABLE kept ()")
    second = postgres.create_database(cluster.url("postgres"), "once")

    assert second == first == cluster.url("once")
    assert query(second, "SELECT to_regclass('kept')::text") == [("kept",)]


def test_data_of_another_version_asks_for_that_version(home, monkeypatch):
    monkeypatch.setattr("service.embedded.postgres_programs._from_wheel", lambda *_: Programs(home / "nowhere"))

    with pytest.raises(Problem, match=r"(?s)was written by version 99.*Install PostgreSQL 99"):
        find(major=99, account=None, copies=home, log=home / "log", waiter=WAITER)


def test_the_programs_are_new_enough(home):
    programs = find(major=None, account=None, copies=home, log=home / "log", waiter=WAITER)

    assert programs.major >= OLDEST
