"""The one handle to PostgreSQL: Peewee's, on a pool of its own.

Statements outside a transaction take a connection each and commit by themselves, which spares single reads the round
trips of BEGIN and COMMIT. Those that run often are prepared on each connection, which spares planning them anew.
"""

from __future__ import annotations

import itertools
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import peewee
import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, parse_dsn

from service.domain.errors import Conflict, HeddleError, Invalid, TooLate, Unavailable

POOL_SIZE = 48
"""The most connections of a process, made as they are needed. A call holds one only while it talks to the database."""

WAIT = 5.0
"""Seconds that a call waits for a connection to come free, and for a new one to be made."""

PARKED_LONG = 20.0
"""Seconds after which a parked connection is asked whether it still lives, before it is used again."""

MOST_PREPARED = 100
"""Statements that are prepared on a connection; more of them are planned each time, as all others are."""

STATEMENT_SECONDS = 15
LOCK_SECONDS = 5

_OPTIONS = (
    f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s "
    "-c idle_in_transaction_session_timeout=60s -c TimeZone=UTC -c plan_cache_mode=force_generic_plan"
)

Row = tuple[Any, ...]
Connection = Any  # psycopg2's; its stubs lose the cursor's type


class Violation(Exception):
    """A statement broke a constraint of the database."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"the constraint {constraint} is violated")
        self.constraint = constraint


class Overtaken(Violation, Conflict):
    """A statement refers to a row that is not there: it has been deleted since it was looked up."""

    def __init__(self, constraint: str) -> None:
        Conflict.__init__(self, "CONCURRENT_CHANGE", "what this call is about has just been deleted; try again")
        self.constraint = constraint


class _Connection(psycopg2.extensions.connection):
    """A connection that knows what is prepared on it: by the text of a statement, how to execute it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared: dict[str, str] = {}
        self.names = itertools.count()


class _Database(peewee.PostgresqlDatabase):
    """Peewee's handle without its pool, which probes and connects under one lock for the whole process."""

    _state: Any  # Peewee's own: the connection and the transactions of each thread

    def __init__(self) -> None:
        super().__init__(None, autoconnect=False)
        self._url = ""
        self._free = threading.Semaphore(0)
        self._parked: deque[tuple[Connection, float]] = deque()

    def open(self, url: str, size: int) -> None:
        """Connect to a database from now on."""
        self.init(url)
        self._url = url
        self._free = threading.Semaphore(size)
        self._forget()

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Give this thread a connection; it is what Peewee calls."""
        if not self.is_closed():
            if reuse_if_open:
                return False
            raise RuntimeError("this thread holds a connection already")
        self._state.reset()
        self._state.set_connection(self.borrow())
        return True

    def close(self) -> bool:
        """Take this thread's connection back."""
        if self.is_closed():
            return False
        connection = self._state.conn
        self._state.reset()
        self.give_back(connection)
        return True

    def held(self) -> Connection:
        """The connection of this thread."""
        return self._state.conn

    def borrow(self) -> Connection:
        """Take a connection out of the pool, or make one."""
        free = self._free
        if not free.acquire(timeout=WAIT):
            raise _unavailable(f"no connection to the database came free within {WAIT:.0f} seconds")
        try:
            while self._parked:
                try:
                    connection, since = self._parked.pop()
                except IndexError:  # another thread was quicker
                    break
                if _is_usable(connection, time.monotonic() - since):
                    return connection
                connection.close()
            return self._connect()
        except BaseException:
            free.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Put a connection into the pool, unless it is broken or somebody left a transaction open in it."""
        if connection.closed or connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            connection.close()
        else:
            self._parked.append((connection, time.monotonic()))
        self._free.release()

    def _connect(self) -> Connection:
        given = parse_dsn(self._url).get("options", "")
        connection = psycopg2.connect(
            self._url,
            connection_factory=_Connection,
            options=f"{_OPTIONS} {given}",
            connect_timeout=int(WAIT),
            application_name="heddle",
            client_encoding="UTF8",  # whatever the environment says
            keepalives_idle=30,
            tcp_user_timeout=20_000,
        )
        connection.autocommit = True
        return connection

    def _forget(self) -> None:
        while self._parked:
            self._parked.pop()[0].close()


handle = _Database()
"""What the models are bound to."""


def connect(url: str, *, size: int = POOL_SIZE) -> None:
    """Name the database. Connections are made when they are needed."""
    handle.open(url, size)


@contextmanager
def connection() -> Iterator[None]:
    """Keep one connection for several statements, each of which commits by itself."""
    if not handle.is_closed():
        yield
        return
    with _refusals():
        handle.connect()
    try:
        yield
    finally:
        handle.close()


@contextmanager
def transaction() -> Iterator[None]:
    """Let everything inside happen as a whole or not at all; within another transaction it is a savepoint."""
    with connection(), _refusals(), handle.atomic():
        yield


@contextmanager
def snapshot() -> Iterator[None]:
    """Let everything that is read inside be as of one moment. Not for use within a transaction, which has its own."""
    with connection(), _refusals(), handle.atomic("REPEATABLE READ READ ONLY"):
        yield


def query(sql: str, values: Sequence[Any] = (), *, prepared: bool = False) -> list[Row]:
    """Run one statement and give its rows; inside `transaction` it is part of that.

    `prepared` is for a text that is run often, and whose one plan suits all values; there may not be many of them.
    """
    run = _run_prepared if prepared else _run
    if not handle.is_closed():
        with _refusals():
            return run(handle.held(), sql, values)
    with _refusals():
        borrowed = handle.borrow()
        try:
            return run(borrowed, sql, values)
        finally:
            handle.give_back(borrowed)


def run(statement: peewee.BaseQuery) -> list[Row]:
    """Run what Peewee has built and give its rows."""
    return query(*statement.sql())


def sql(statement: peewee.BaseQuery) -> str:
    """The text of what Peewee has built, to be kept and run often; the values in it are blanks for those given then."""
    text, _ = statement.sql()
    return str(text)


@contextmanager
def refusing(**refusals: HeddleError) -> Iterator[None]:
    """Say in the product's words that a constraint is violated: `refusing(<constraint>=<the error to raise>)`."""
    try:
        yield
    except Violation as violation:
        if violation.constraint not in refusals:
            raise
        raise refusals[violation.constraint] from violation


def _run(connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []


def _run_prepared(connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    execute = connection.prepared.get(sql)
    if execute is None:
        if len(connection.prepared) >= MOST_PREPARED:
            return _run(connection, sql, values)
        name = f"heddle_{next(connection.names)}"  # never one that may exist, though its making seemed to fail
        numbered = sql % tuple(f"${number}" for number in range(1, len(values) + 1))
        _run(connection, f"PREPARE {name} AS {numbered}", ())
        execute = f"EXECUTE {name} ({', '.join(['%s'] * len(values))})"
        connection.prepared[sql] = execute
    return _run(connection, execute, values)


def _is_usable(connection: Connection, parked: float) -> bool:
    """Tell whether a parked connection lives, without a round trip as long as there is no reason to doubt it."""
    try:
        quiet = not select.select([connection.fileno()], [], [], 0)[0]  # a server that goes away says so
        if quiet and parked < PARKED_LONG:
            return True
        _run(connection, "SELECT 1", ())
    except (psycopg2.Error, OSError, ValueError):
        return False
    return True


class _Refusals:
    """Turns the driver's errors into the product's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, peewee.PeeweeException | psycopg2.Error | ValueError):
            refusal = _refusal(getattr(error, "orig", error))
            if refusal is not None:
                raise refusal from error


def _refusals() -> _Refusals:
    return _Refusals()


def _refusal(error: BaseException) -> Exception | None:
    if isinstance(error, ValueError):
        return Invalid("INVALID_FIELD", "a text has the character NUL") if str(error).startswith(_NUL) else None
    if isinstance(error, psycopg2.IntegrityError):
        kind = Overtaken if isinstance(error, psycopg2.errors.ForeignKeyViolation) else Violation
        return kind(error.diag.constraint_name or "")
    state = getattr(error, "pgcode", None) or ""
    if state in _CONFLICTS:
        return Conflict("CONCURRENT_CHANGE", "another call is changing the same thing; try again")
    if state == "57014":
        return TooLate("DEADLINE_EXCEEDED", f"the database took longer than {STATEMENT_SECONDS} seconds")
    lost = not state and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    if lost or state == "25006" or state[:2] in _OUTAGES:
        return _unavailable("the database is not available; try again")
    return None


_NUL = "A string literal cannot contain NUL"
"""The driver's own check, before anything is sent."""

_CONFLICTS = frozenset({"40001", "40P01", "55P03"})
"""A serialisation failure, a deadlock, a lock that did not come free in time."""

_OUTAGES = frozenset({"08", "53", "57", "58"})
"""Classes of states: connection lost, out of resources, shut down by the operator, trouble with the disk."""


def _unavailable(message: str) -> Unavailable:
    return Unavailable("DATABASE_UNAVAILABLE", message)
