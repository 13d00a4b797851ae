"""Bringing the tables up to date: the files of `migrations/`, each applied once and in order.

A file is one transaction, unless its first line says that it runs outside one, as an index has to that is built beside
those who write. Such a file may be run again from its beginning after it broke off.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from service.domain.errors import Unavailable

log = logging.getLogger(__name__)

_FILES = Path(__file__).parent / "migrations"

# Any number will do, as long as every release of Heddle takes the same.
_LOCK = 0x48_45_44_44_4C_45

_PAUSE = 0.1
"""Seconds between two looks whether another process has finished."""

_OUTSIDE = "-- Outside a transaction.\n"


class MigrationChanged(Exception):
    """A file of `migrations/` is not the one that was applied."""


def migrate(url: str) -> None:
    """Apply what is pending. Several processes may do this at once: one works and the others wait for it."""
    with _session(url) as cursor:
        _await_turn(cursor)
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS migrations "
            "(name text PRIMARY KEY, digest text NOT NULL, apply_time timestamptz NOT NULL DEFAULT now())"
        )
        for file in _pending(cursor):
            log.info("applying migration %s", file.stem)
            _apply(cursor, file.stem, file.read_text())


def pending(url: str) -> list[str]:
    """Name the migrations that the database still lacks."""
    with _session(url) as cursor:
        return [file.stem for file in _pending(cursor)]


def _await_turn(cursor: Any) -> None:
    """Take the lock. Whoever waited for it within a statement would be waited for by an index that is being built."""
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))
        if cursor.fetchone()[0]:
            return
        time.sleep(_PAUSE)


def _apply(cursor: Any, name: str, text: str) -> None:
    noted = ("INSERT INTO migrations (name, digest) VALUES (%s, %s)", (name, _digest(text)))
    if text.startswith(_OUTSIDE):
        for statement in filter(str.strip, text.split(";\n")):
            cursor.execute(statement)
        cursor.execute(*noted)
        return
    cursor.execute("BEGIN")
    cursor.execute(text)
    cursor.execute(*noted)
    cursor.execute("COMMIT")


@contextmanager
def _session(url: str) -> Iterator[Any]:
    """Hold a connection without the limits of the pool's: a migration takes the time that it takes."""
    try:
        connection = psycopg2.connect(url, connect_timeout=5, application_name="heddle migrate")
    except psycopg2.OperationalError as error:
        raise Unavailable("DATABASE_UNAVAILABLE", f"cannot reach the database: {error}".strip()) from error
    try:
        connection.autocommit = True
        yield connection.cursor()
    finally:
        connection.close()


def _pending(cursor: Any) -> list[Path]:
    cursor.execute("SELECT to_regclass('migrations') IS NOT NULL")
    applied = {}
    if cursor.fetchone()[0]:
        cursor.execute("SELECT name, digest FROM migrations")
        applied = dict(cursor.fetchall())
    files = sorted(_FILES.glob("*.sql"))
    for file in files:
        if file.stem in applied and applied[file.stem] != _digest(file.read_text()):
            raise MigrationChanged(f"migration {file.stem} has changed since it was applied; write another instead")
    return [file for file in files if file.stem not in applied]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
