"""A PostgreSQL of its own with databases full of executions: for measuring what reading among many costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from bench.million import load
from service.embedded import ports, postgres
from service.embedded.supervising import Supervisor
from service.embedded.waiting import Waiter
from storage.migrating import migrate


@contextmanager
def server() -> Iterator[str]:
    """Start a PostgreSQL as `heddle dev` has it; gives the url of an empty database."""
    with tempfile.TemporaryDirectory(prefix="heddle-bench-") as folder:
        home, waiter, supervisor = Path(folder), Waiter(), Supervisor()
        home.chmod(0o711)  # PostgreSQL's user has to pass through
        log = home / "postgres.log"
        cluster = postgres.prepare(home, port=ports.free(), log=log, durable=True, waiter=waiter)
        try:
            (process,) = supervisor.keep(cluster.start)
            cluster.await_ready(process, waiter)
            yield cluster.url("postgres")
        finally:
            supervisor.end()


def filled(server: str, name: str, many: int, more: Iterable[str] = ()) -> str:
    """Make a database of `bench.million`'s executions, then run statements that fill it further; gives its url.

    These are not checked for what is right by their making.
    """
    url = postgres.create_database(server, name)
    migrate(url)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    load(cursor, many)
    cursor.execute("SET session_replication_role = replica")
    for statement in more:
        cursor.execute(statement)
    connection.close()
    return url


def seconds(call: Callable[[], object]) -> float:
    """Tell how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
