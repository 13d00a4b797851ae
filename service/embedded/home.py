"""HEDDLE_HOME: the folder where the embedded parts keep their data, their logs and a note of what runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from service.embedded.problem import Problem
from service.embedded.processes import Process, birth, end_orphan

_LARGEST_LOG = 10_000_000


@dataclass(frozen=True)
class Note:
    """What is remembered of one process, for the next start to find it or its port again."""

    pid: int
    birth: str | None
    port: int | None  # None: it listens nowhere
    end_signal: int


class Home:
    """One folder, in which one `heddle dev` runs at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes_file = path / "running.json"

    @contextlib.contextmanager
    def locked(self, listen: str) -> Iterator[None]:
        """Keep other starts out of this folder for as long as this process lives."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711)  # PostgreSQL's user has to pass through; what is secret inside is closed itself
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise Problem(f"HEDDLE_HOME {self.path} cannot be written: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Problem(self._taken(lock.name)) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()} {listen}")
            lock.flush()
            yield

    def log(self, name: str) -> Path:
        """Where a process of that name logs, after setting a log aside that has grown large."""
        folder = self.path / "logs"
        folder.mkdir(exist_ok=True)
        log = folder / f"{name}.log"
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        return log

    def note(self, name: str, process: Process, port: int | None = None) -> None:
        """Remember a process that was just started."""
        note = Note(process.pid, birth(process.pid), port, int(process.program.end_signal))
        self._write({**self._notes(), name: note})

    def last_port(self, name: str) -> int | None:
        """The port that a process of that name had when it last ran, so that it can keep it."""
        note = self._notes().get(name)
        return note.port if note else None

    def end_orphans(self) -> list[str]:
        """End what an earlier run left behind when it was killed; the answer is their names."""
        notes = self._notes()
        orphans = [name for name, note in notes.items() if note.birth is not None and birth(note.pid) == note.birth]
        # The other way round than they were started: nothing loses what it stands on before it has ended itself.
        for name in reversed(orphans):
            end_orphan(notes[name].pid, signal.Signals(notes[name].end_signal))
        return orphans

    def _taken(self, lock: str) -> str:
        pid, _, listen = Path(lock).read_text().partition(" ")
        host, _, port = listen.rpartition(":")
        return (
            f"Heddle already runs in {self.path} (process {pid}, serving {listen}).\n"
            f"Use that one, or stop it: kill {pid}\n"
            f"To run a second one beside it: HEDDLE_HOME={self.path}-2 HEDDLE_LISTEN={host}:{int(port or 50051) + 1}"
        )

    def _notes(self) -> dict[str, Note]:
        try:
            return {name: Note(**note) for name, note in json.loads(self._notes_file.read_text()).items()}
        except (OSError, ValueError, TypeError):
            # Absent at the first start; half written or of another edition, it is worth no more than that.
            return {}

    def _write(self, notes: dict[str, Note]) -> None:
        fresh = self._notes_file.with_suffix(".new")
        fresh.write_text(json.dumps({name: asdict(note) for name, note in notes.items()}, indent=1))
        fresh.replace(self._notes_file)
