from __future__ import annotations

import threading

import psycopg2
import pytest

from service.domain.errors import Conflict, Invalid, TooLate, Unavailable
from storage import database
from storage.database import Violation, connection, query, refusing, transaction


def backends(url: str) -> list[int]:
    """Who is connected beside the one that asks."""
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND application_name = 'heddle'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def end_backends(url: str) -> int:
    """Cut every connection, as a restart of the database does, and wait until that is done."""
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(cursor.fetchall())


@pytest.fixture
def numbers(own_database):
    query("CREATE TABLE numbers (number integer CONSTRAINT small CHECK (number < 100) CONSTRAINT once UNIQUE)")
    return lambda: [number for (number,) in query("SELECT number FROM numbers ORDER BY number")]


def add(number: int) -> None:
    query("INSERT INTO numbers VALUES (%s)", (number,))


def add_and_fail(number: int) -> None:
    with transaction():
        add(number)
        raise RuntimeError


def test_a_statement_outside_a_transaction_commits_by_itself(numbers):
    add(1)

    assert numbers() == [1]
    assert database.handle.is_closed()


def test_a_transaction_happens_as_a_whole_or_not_at_all(numbers):
    with transaction():
        add(1)
    with pytest.raises(RuntimeError):
        add_and_fail(2)

    assert numbers() == [1]


def test_a_transaction_within_another_is_a_savepoint(numbers):
    with transaction():
        add(1)
        with pytest.raises(RuntimeError):
            add_and_fail(2)
        add(3)

    assert numbers() == [1, 3]


def test_a_connection_is_kept_for_several_statements(connected):
    with connection():
        first = query("SELECT pg_backend_pid()")
        with connection(), transaction():
            assert query("SELECT pg_backend_pid()") == first

    assert database.handle.is_closed()


def test_connections_are_used_again(own_database):
    first = query("SELECT pg_backend_pid()")

    assert query("SELECT pg_backend_pid()") == first
    assert len(backends(own_database)) == 1


@pytest.mark.parametrize("number_of_connections", [1, 8])
def test_a_restart_of_the_database_costs_no_call(own_database, number_of_connections):
    together = threading.Barrier(number_of_connections)

    def hold() -> None:
        with connection():
            together.wait()

    threads = [threading.Thread(target=hold) for _ in range(number_of_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert end_backends(own_database) == number_of_connections

    for _ in range(number_of_connections):
        with transaction():
            assert query("SELECT 1") == [(1,)]


def test_a_connection_lost_within_a_transaction_is_an_outage(own_database, numbers):
    def add_across_a_restart() -> None:
        with transaction():
            add(1)
            end_backends(own_database)
            add(2)

    with pytest.raises(Unavailable) as refusal:
        add_across_a_restart()

    assert refusal.value.reason == "DATABASE_UNAVAILABLE"
    assert numbers() == []


def test_a_long_parked_connection_is_asked_whether_it_lives(own_database, monkeypatch):
    monkeypatch.setattr(database, "PARKED_LONG", 0.0)
    first = query("SELECT pg_backend_pid()")

    assert query("SELECT pg_backend_pid()") == first


def test_a_database_that_is_away_is_an_outage():
    database.connect("postgresql://nobody@127.0.0.1:1/nothing")

    for _ in range(database.POOL_SIZE + 1):
        with pytest.raises(Unavailable, match="not available"):
            query("SELECT 1")
        with pytest.raises(Unavailable, match="not available"), transaction():
            pass


def test_a_call_waits_for_a_connection_only_so_long(connected, monkeypatch):
    monkeypatch.setattr(database, "WAIT", 0.1)
    database.connect(connected, size=1)
    refusals = []

    def ask() -> None:
        try:
            query("SELECT 1")
        except Unavailable as refusal:
            refusals.append(refusal.message)

    with connection():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    assert refusals == ["no connection to the database came free within 0 seconds"]
    assert query("SELECT 1") == [(1,)]


def test_a_violated_constraint_is_told_in_the_products_words(numbers):
    add(1)
    taken = Conflict("CONCURRENT_CHANGE", "taken")

    with pytest.raises(Conflict, match="taken"), refusing(once=taken):
        add(1)
    with pytest.raises(Violation) as violation, refusing(once=taken):
        add(100)
    assert violation.value.constraint == "small"


def test_a_row_that_was_deleted_meanwhile_is_a_conflict(numbers):
    query("CREATE TABLE others (number integer CONSTRAINT known REFERENCES numbers (number))")

    with pytest.raises(Conflict, match="has just been deleted; try again"):
        query("INSERT INTO others VALUES (1)")
    unknown = Invalid("INVALID_FIELD", "unknown")
    with pytest.raises(Invalid, match="unknown"), refusing(known=unknown):
        query("INSERT INTO others VALUES (1)")


def test_a_nul_is_refused_and_no_connection_is_lost(connected):
    with pytest.raises(Invalid, match="NUL"):
        query("SELECT %s", ("a\0b",))
    with pytest.raises(Invalid, match="NUL"), transaction():
        query("SELECT %s", ("a\0b",))

    assert query("SELECT 1") == [(1,)]


def test_a_statement_that_takes_too_long_is_ended(connected):
    with transaction():
        query("SET LOCAL statement_timeout = '20ms'")
        with pytest.raises(TooLate), transaction():
            query("SELECT pg_sleep(5)")


def test_a_lock_that_does_not_come_free_is_a_conflict(numbers):
    add(1)
    refusals = []

    def change() -> None:
        try:
            with transaction():
                query("SET LOCAL lock_timeout = '20ms'")
                query("UPDATE numbers SET number = 2")
        except Conflict as refusal:
            refusals.append(refusal.reason)

    with transaction():
        query("UPDATE numbers SET number = 3")
        thread = threading.Thread(target=change)
        thread.start()
        thread.join()

    assert refusals == ["CONCURRENT_CHANGE"]


def test_a_deadlock_is_a_conflict_for_one_and_nothing_for_the_other(numbers):
    add(1)
    add(2)
    together = threading.Barrier(2)
    refusals = []

    def change(first: int, second: int) -> None:
        try:
            with transaction():
                query("SELECT * FROM numbers WHERE number = %s FOR UPDATE", (first,))
                together.wait()
                query("SELECT * FROM numbers WHERE number = %s FOR UPDATE", (second,))
        except Conflict as refusal:
            refusals.append(refusal.reason)

    threads = [threading.Thread(target=change, args=numbers) for numbers in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refusals == ["CONCURRENT_CHANGE"]


def test_times_come_in_utc(connected):
    ((time,),) = query("SELECT '2026-11-21 12:00+03'::timestamptz")

    assert time.isoformat() == "2026-11-21T09:00:00+00:00"
