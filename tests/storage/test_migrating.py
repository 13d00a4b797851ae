from __future__ import annotations

import subprocess
import sys
import threading
import time

import psycopg2
import pytest

from service.domain.errors import Unavailable
from service.embedded import postgres
from storage import migrating, models
from storage.migrating import MigrationChanged, migrate, pending


@pytest.fixture
def empty_database(database_server):
    url = postgres.create_database(database_server, "empty")
    yield url
    postgres.drop_database(database_server, "empty")


def rows(url, sql):
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_what_is_pending_is_applied_once(empty_database):
    assert pending(empty_database) == [file.stem for file in sorted(migrating._FILES.glob("*.sql"))]

    migrate(empty_database)
    migrate(empty_database)

    assert pending(empty_database) == []
    assert rows(empty_database, "SELECT count(*) FROM templates") == [(0,)]


def test_three_at_once_all_succeed(empty_database):
    command = [sys.executable, "-c", "import sys; from storage.migrating import migrate; migrate(sys.argv[1])"]
    running = [subprocess.Popen([*command, empty_database], stderr=subprocess.PIPE) for _ in range(3)]

    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in running]

    assert ends == [(b"", 0)] * 3
    assert rows(empty_database, "SELECT count(*) FROM migrations WHERE name = '0001_initial'") == [(1,)]


def test_a_migration_that_fails_leaves_nothing(empty_database, tmp_path, monkeypatch):
    (tmp_path / "0001_half.sql").write_text("CREATE TABLE half (x int); SELECT 1/0;")
    monkeypatch.setattr(migrating, "_FILES", tmp_path)

    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(empty_database)

    assert rows(empty_database, "SELECT to_regclass('half')") == [(None,)]
    assert pending(empty_database) == ["0001_half"]


def test_a_migration_outside_a_transaction_is_begun_again_after_it_broke_off(empty_database, tmp_path, monkeypatch):
    (tmp_path / "0001_table.sql").write_text("CREATE TABLE things (x int); INSERT INTO things VALUES (1), (1);")
    (tmp_path / "0002_index.sql").write_text(
        "-- Outside a transaction.\nDROP INDEX CONCURRENTLY IF EXISTS things_once;\n"
        "CREATE UNIQUE INDEX CONCURRENTLY things_once ON things (x);\n"
    )
    monkeypatch.setattr(migrating, "_FILES", tmp_path)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_once'::regclass"

    with pytest.raises(psycopg2.errors.UniqueViolation):
        migrate(empty_database)
    assert (rows(empty_database, valid), pending(empty_database)) == ([(False,)], ["0002_index"])

    with psycopg2.connect(empty_database) as session, session.cursor() as cursor:
        cursor.execute("DELETE FROM things")
    migrate(empty_database)

    assert (rows(empty_database, valid), pending(empty_database)) == ([(True,)], [])


def test_an_index_is_built_beside_those_who_write_and_those_who_wait(empty_database, tmp_path, monkeypatch):
    (tmp_path / "0001_table.sql").write_text("CREATE TABLE things (x int);")
    monkeypatch.setattr(migrating, "_FILES", tmp_path)
    migrate(empty_database)
    (tmp_path / "0002_index.sql").write_text(
        "-- Outside a transaction.\nCREATE INDEX CONCURRENTLY things_by_x ON things (x);\n"
    )
    with psycopg2.connect(empty_database) as writer, writer.cursor() as cursor:
        cursor.execute("INSERT INTO things VALUES (1)")  # the index waits for the end of this transaction
        both = [threading.Thread(target=migrate, args=(empty_database,)) for _ in range(2)]
        for one in both:
            one.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX%' AND wait_event = 'virtualxid'"
        await_row(empty_database, f"{waiting} AND datname = current_database()")
        with psycopg2.connect(empty_database) as another, another.cursor() as other:
            other.execute("SET lock_timeout = '2s'")
            other.execute("INSERT INTO things VALUES (2)")
        assert all(one.is_alive() for one in both)
        writer.commit()
    for one in both:
        one.join(20)

    assert not any(one.is_alive() for one in both)
    assert pending(empty_database) == []


def await_row(url, sql):
    limit = time.monotonic() + 20
    while not rows(url, sql):
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(empty_database, tmp_path, monkeypatch):
    file = tmp_path / "0001_first.sql"
    file.write_text("CREATE TABLE first (x int);")
    monkeypatch.setattr(migrating, "_FILES", tmp_path)
    migrate(empty_database)
    file.write_text("CREATE TABLE first (x bigint);")

    with pytest.raises(MigrationChanged, match="migration 0001_first has changed"):
        migrate(empty_database)


def test_a_database_that_is_away_is_said_to_be():
    with pytest.raises(Unavailable, match="cannot reach the database"):
        pending("postgresql://nobody@127.0.0.1:1/nothing")


@pytest.mark.parametrize("model", models.Row.__subclasses__(), ids=lambda model: model._meta.table_name)
def test_the_models_have_the_columns_of_the_tables(model, database_url):
    columns = rows(
        database_url,
        "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns"
        f" WHERE table_schema = 'public' AND table_name = '{model._meta.table_name}'",
    )

    assert {(field.column_name, field.null) for field in model._meta.sorted_fields} == set(columns)
