"""A private PostgreSQL: its data in a folder of ours, listening on this machine only."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from service.embedded import account, postgres_programs
from service.embedded.account import Account
from service.embedded.postgres_programs import Programs
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program, command_line, end_orphan
from service.embedded.waiting import Waiter

# Where PostgreSQL's user can go when the home is closed to it. Only root ever needs it, and root may write there.
_ELSEWHERE = Path("/var/lib/heddle")

# Data that nobody will miss: a test's machine may lose it in a power cut.
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Cluster:
    """A folder of PostgreSQL's data, with what it takes to run a server on it."""

    folder: Path
    programs: Programs
    account: Account | None  # None: the server runs as the present user
    port: int
    log: Path
    durable: bool

    name = "PostgreSQL"

    @property
    def data(self) -> Path:
        """What PostgreSQL itself writes."""
        return self.folder / "data"

    def url(self, database: str) -> str:
        """How to connect to one of its databases."""
        # The folder keeps the password of the only user to the user of this machine who made it.
        password = (self.folder / "password").read_text()
        return f"postgresql://heddle:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Process:
        """Start the server; it is not ready yet."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # sockets have a path of at most 107 characters, and homes may lie deep
            "max_connections": "200",
            **({} if self.durable else _CARELESS),
        }
        settings = (word for name, value in options.items() for word in ("-c", f"{name}={value}"))
        return Process(
            Program(
                name=self.name,
                command=(str(self.programs.folder / "postgres"), "-D", str(self.data), *settings),
                log=self.log,
                environment=_plain_environment(),
                account=self.account,
                # Its word for "break off what runs and shut down in order", with or without us.
                end_signal=signal.SIGINT,
                orphan_signal=signal.SIGINT,
                grace=30,
            )
        )

    def await_ready(self, process: Process, waiter: Waiter) -> None:
        """Wait until the server takes connections; after a crash it first works through its log."""

        def ready() -> bool:
            process.require_alive()
            return _accepts(self.url("postgres"))

        if not waiter.until(ready, within=120):
            raise Problem(f"PostgreSQL took no connections for two minutes; its log is {self.log}")


def prepare(home: Path, *, port: int, log: Path, durable: bool, waiter: Waiter) -> Cluster:
    """Make a home's cluster ready to start: find programs, write the first files, repair what a crash left."""
    user = account.for_postgres()
    folder = _folder(home, user)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    programs = postgres_programs.find(
        major=_major(folder / "data"), account=user, copies=_ELSEWHERE, log=log, waiter=waiter
    )
    cluster = Cluster(folder, programs, user, port, log, durable)
    if not cluster.data.exists():
        _initialise(cluster)
    _remove_stale_pid(cluster.data)
    return cluster


def create_database(server: str, name: str, *, template: str | None = None) -> str:
    """Create a database unless it exists, as a copy of another one if named; the answer is its url.

    `server` is the url of any other database of the same server.
    """
    with _connected(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template1")))
    return server.rpartition("/")[0] + f"/{name}"


def drop_database(server: str, name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    with _connected(server) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _folder(home: Path, user: Account | None) -> Path:
    # Named after the home, so that each home that root keeps behind closed doors has its own.
    elsewhere = _ELSEWHERE / hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
    if user is None or (user.can_enter(home) and not elsewhere.exists()):
        return home / "postgres"
    return elsewhere


def _major(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _initialise(cluster: Cluster) -> None:
    # Under another name first: files that a crash left half written must not be taken for a cluster.
    partial = cluster.folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    password = cluster.folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24))
    given = cluster.folder / "password.initdb"
    shutil.copyfile(password, given)
    given.chmod(0o600)
    if cluster.account:
        for path in (partial, given):
            os.chown(path, cluster.account.uid, cluster.account.gid)
    try:
        _initdb(cluster, partial, given)
    finally:
        given.unlink()
    partial.rename(cluster.data)


def _initdb(cluster: Cluster, data: Path, password: Path) -> None:
    user = cluster.account
    answer = subprocess.run(
        [
            cluster.programs.folder / "initdb",
            f"--pgdata={data}",
            "--username=heddle",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--encoding=UTF8",
            *_locale(cluster.programs.major),
            "--no-instructions",
            *([] if cluster.durable else ["--no-sync"]),
        ],
        env=_plain_environment(),
        cwd="/",
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise Problem(f"PostgreSQL could not create its data in {data}:\n{answer.stderr.strip()}")


def _locale(major: int) -> list[str]:
    # Text compares by code point and folds case by Unicode on every machine, whatever languages it has installed.
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


def _plain_environment() -> Mapping[str, str]:
    # PGDATA, PGPORT and the like are meant for another server; and its messages should not depend on a language.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _remove_stale_pid(data: Path) -> None:
    """End a server of this folder that nobody remembers, and forget one whose id is another program's by now."""
    stale = data / "postmaster.pid"
    try:
        pid = int(stale.read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return
    if str(data) in command_line(pid):
        end_orphan(pid, signal.SIGINT, grace=30)
    stale.unlink(missing_ok=True)


def _accepts(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise Problem(f"the embedded PostgreSQL does not take the password that it was given: {error}") from error
        return False
    return True


@contextmanager
def _connected(url: str) -> Iterator[psycopg2.extensions.connection]:
    # Not psycopg2's own `with`, which opens a transaction: CREATE DATABASE wants none.
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()
