"""Starting processes that log to files, end with the one that started them, and can be found again after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.embedded.account import Account
from service.embedded.problem import Problem

_TETHER = Path(__file__).with_name("tether.py")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Program:
    """What to start, and how it wants to be ended."""

    name: str  # as people call it: "PostgreSQL", "server"
    command: tuple[str, ...]
    log: Path | None  # None: it writes to the console
    environment: Mapping[str, str] | None = None  # None: the present one
    account: Account | None = None  # None: the present user
    end_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL  # what it gets when its starter dies without a word
    grace: float = 10  # seconds between asking it to end and killing it


class Process:
    """A program that was started."""

    def __init__(self, program: Program) -> None:
        self.program = program
        log = program.log.open("ab") if program.log else None
        try:
            self._popen = subprocess.Popen(
                _tethered(program),
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A folder that every user may be in.
                cwd="/" if program.account else None,
                # Ctrl-C reaches every process of the terminal's group. In sessions of their own, they end in the order
                # that their starter chooses.
                start_new_session=True,
            )
        finally:
            if log:
                log.close()

    @property
    def pid(self) -> int:
        """The id of the process, which is also that of its group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs, negative when a signal ended it."""
        return self._popen.poll()

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self.exit_code is None

    def require_alive(self) -> None:
        """Raise what the person needs to know when it has ended."""
        if not self.alive():
            raise Problem(self.account_of_death())

    def account_of_death(self) -> str:
        """Say how it ended, with the last lines of its log."""
        code = self.exit_code
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return f"the {self.program.name} ended by itself ({how}).{log_end(self.program.log)}"

    def ask_to_end(self) -> None:
        """Send the signal that lets it finish what it does."""
        if self.alive():
            self._popen.send_signal(self.program.end_signal)

    def await_end(self) -> None:
        """Wait for the end that was asked for, and kill it when it does not come."""
        try:
            self._popen.wait(self.program.grace)
        except subprocess.TimeoutExpired:
            self.kill9()

    def end(self) -> None:
        """Let it finish, and be sure that it has ended."""
        self.ask_to_end()
        self.await_end()

    def kill9(self) -> None:
        """End it, and whatever it started in its group, as a power cut would."""
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


def end_all(processes: Iterable[Process]) -> None:
    """Ask all to end, then wait for each, so that they finish side by side."""
    processes = list(processes)
    for process in processes:
        process.ask_to_end()
    for process in processes:
        process.await_end()


def birth(pid: int) -> str | None:
    """What tells a process from a later one that was given the same id; None when there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux":
        try:
            # The name in parentheses may hold anything; after it, the 1st field is the state, the 20th the start time.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # Start times count from the machine's own start.
        return None if fields[0] == "Z" else f"{_BOOT.read_text().strip()} {fields[19]}"
    return _ps(pid, "lstart")


def command_line(pid: int) -> str:
    """The command of a process and its arguments; empty when there is no such process."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            return ""
    return _ps(pid, "command") or ""


def end_orphan(pid: int, end_signal: signal.Signals, *, grace: float = 10) -> None:
    """End a process that somebody else started and left behind."""
    born = birth(pid)
    if born is None:
        return
    os.kill(pid, end_signal)
    deadline = time.monotonic() + grace
    while birth(pid) == born:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += grace
        time.sleep(0.02)


def log_end(log: Path | None, lines: int = 15) -> str:
    """The last lines of a log and where to read on, ready to follow a sentence."""
    if log is None or not log.exists():
        return ""
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f" {log} ends with:", *(f"  | {line}" for line in last)])


def _tethered(program: Program) -> list[str]:
    command = list(program.command)
    account = program.account
    uid, gid = (account.uid, account.gid) if account else (os.getuid(), os.getgid())
    path = shutil.which(command[0])
    if path is None:
        raise Problem(f"the program {command[0]} was not found")
    command[0] = path
    # Isolated and without site-packages, so that becoming the program takes some milliseconds only.
    script = [sys.executable, "-I", "-S", str(_TETHER), *map(str, (int(program.orphan_signal), os.getpid(), uid, gid))]
    return [*script, *command]


def _ps(pid: int, column: str) -> str | None:
    answer = subprocess.run(["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
