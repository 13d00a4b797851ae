"""Finding Temporal's development server, or fetching it into the user's cache."""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from service.embedded.fetching import alone
from service.embedded.problem import Problem
from service.embedded.processes import Process, Program
from service.embedded.waiting import Waiter

VERSION = "1.5.1"
"""The command line's version; its server is Temporal 1.29."""

_SOURCE = f"github.com/temporalio/cli/cmd/temporal@v{VERSION}"


def find(*, log: Path, waiter: Waiter) -> Path:
    """Find the program on PATH or in the cache; else download it, else build it."""
    on_path = shutil.which("temporal")
    if on_path:
        return Path(on_path)
    cached = _cache() / f"temporal-v{VERSION}"
    if not cached.exists():
        _fetch(cached, log, waiter)
    return cached


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heddle"


def _fetch(cached: Path, log: Path, waiter: Waiter) -> None:
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        # Under another name first: a program that was cut short must not be taken for a whole one.
        partial = tempfile.TemporaryDirectory(dir=cached.parent, prefix="fetching-")
    except OSError as error:
        raise Problem(
            f"the cache {cached.parent} for Temporal's server cannot be written: {error.strerror}.\n"
            "Name a folder of yours: XDG_CACHE_HOME=..."
        ) from error
    with partial as folder, alone(cached.parent):
        if cached.exists():
            return
        if not _download(Path(folder), log, waiter):
            _build(Path(folder), log, waiter)
        # Whichever way it came, it is the only file there.
        program = next(Path(folder).iterdir())
        program.chmod(0o755)
        program.replace(cached)


def _download(folder: Path, log: Path, waiter: Waiter) -> bool:
    command = (sys.executable, "-m", "service.embedded.temporal_download", f"v{VERSION}", str(folder))
    download = Program("download of Temporal's server", command, log, grace=1)
    return _busy(download, "Downloading Temporal's server (once)", within=180, waiter=waiter)


def _build(folder: Path, log: Path, waiter: Waiter) -> None:
    go = shutil.which("go")
    if go is None:
        raise Problem(
            f"Temporal's server could not be downloaded.{_hint(log)}\n"
            "Connect to the internet, install Go (1.21 or newer) to build it, put the program `temporal` on PATH,\n"
            "or name a server that runs elsewhere: HEDDLE_TEMPORAL_ADDRESS=host:7233"
        )
    # Without the tables for debuggers it is a fifth smaller.
    command = (go, "install", "-trimpath", "-ldflags=-s -w", _SOURCE)
    build = Program("build of Temporal's server", command, log, {**os.environ, "GOBIN": str(folder)}, grace=1)
    if not _busy(build, "Building Temporal's server with Go, some minutes (once)", within=3600, waiter=waiter):
        raise Problem(f"Temporal's server could not be built with {go}.{_hint(log)}")


def _hint(log: Path) -> str:
    """Where to read why."""
    return f" The reason is at the end of {log}."


def _busy(program: Program, what: str, *, within: float, waiter: Waiter) -> bool:
    """Run a program to its end while showing that time passes; tell whether it succeeded."""
    process = Process(program)
    began = time.monotonic()

    def ended() -> bool:
        if sys.stdout.isatty():
            print(f"\r{what}: {time.monotonic() - began:.0f} s ", end="", flush=True)
        return not process.alive()

    print(what, end="", flush=True)
    try:
        waiter.until(ended, within=within, every=0.5)
    finally:
        process.kill9()
        print(flush=True)
    return process.exit_code == 0
